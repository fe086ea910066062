"""Expansion of placeholders, token for token as vLLM does it.  Oracle: vLLM's own functions."""

from __future__ import annotations

import random
import re
from pathlib import Path

import nbformat
import pytest
import torch

from mmkit.errors import PlaceholderMismatch
from mmkit.prompts import (
    END,
    START,
    Content,
    PromptUpdate,
    after_prefix,
    apply_updates,
    expand,
    find_placeholders,
    find_target,
    resolve_updates,
)

pytestmark = pytest.mark.vllm
CASES = 5_000
MODALITIES = ("image", "audio", "video")


@pytest.fixture(scope="module")
def vllm():
    from mmkit.engine import suppress_output

    with suppress_output():
        from vllm.multimodal.processing import processor
    return processor


def random_tokens(rng, most=3, least=0):
    """Few different tokens, so that targets repeat, overlap, and stand in each other's content."""
    return [rng.randint(1, 4) for _ in range(rng.randint(least, most))]


def random_target(rng):
    kind = rng.random()
    if kind < 0.1:
        return START
    if kind < 0.2:
        return END
    if kind < 0.3:
        return after_prefix(random_tokens(rng))
    return random_tokens(rng)


def random_case(rng):
    """A prompt, rules, and how many items each modality has; modalities share targets, some have two rules."""
    shared = [random_target(rng) for _ in range(3)]
    rules = []
    for modality in rng.sample(MODALITIES, rng.randint(1, 3)):
        for _ in range(rng.choice((1, 1, 2))):
            choices = [rng.choice(shared) if rng.random() < 0.7 else random_target(rng) for _ in range(3)]
            contents = [random_tokens(rng, 4) for _ in range(3)]
            chosen = rng.choice([None, None, 1])
            contents = [Content.select(c, chosen) if chosen else Content(tuple(c)) for c in contents]
            varies = rng.random() < 0.3
            target = choices.__getitem__ if varies else choices[0]
            mode = rng.choice(("insert", "replace", "replace"))
            rules.append(PromptUpdate(modality, mode, target, contents.__getitem__))
    rng.shuffle(rules)
    counts = {modality: rng.randint(0, 3) for modality in MODALITIES}
    return random_tokens(rng, 20), rules, counts


def their_target(vllm, target):
    if callable(target):
        return lambda item: their_target(vllm, target(item))
    places = vllm.PromptIndexTargets
    if target == START:
        return places.start()
    if target == END:
        return places.end()
    return target if isinstance(target, list) else places.prefix(list(target.prefix))


def their_updates(vllm, rules, counts):
    """The same rules as vLLM's own objects, resolved by its own grouping."""

    def content(rule):
        def of(item):
            ours = rule.content(item)
            is_embed = (lambda full: torch.tensor(ours.embeds, dtype=torch.bool)) if ours.embeds else None
            return vllm.PromptUpdateDetails(full=list(ours.tokens), is_embed=is_embed)

        return of

    kinds = {"insert": vllm.PromptInsertion, "replace": vllm.PromptReplacement}
    theirs = [kinds[rule.mode](rule.modality, their_target(vllm, rule.target), content(rule)) for rule in rules]
    return vllm.BaseMultiModalProcessor._bind_and_group_updates(None, theirs, counts)


def as_rows(placeholders):
    """vLLM's placeholders as (modality, item, start, tokens, embeds)."""
    return [
        (p.modality, p.item_idx, p.start_idx, tuple(p.tokens),
         (True,) * len(p.tokens) if p.is_embed is None else tuple(p.is_embed.tolist()))
        for found in placeholders.values() for p in found
    ]  # fmt: skip


def our_rows(placeholders):
    return [(p.modality, p.item, p.start, p.content.tokens, p.embeds) for p in placeholders]


def test_expansion_and_places_equal_vllm(vllm):
    rng = random.Random(0)
    seen = dict.fromkeys(("missing", "several", "overlap", "repeated", "found again"), 0)
    for case in range(CASES):
        prompt, rules, counts = random_case(rng)
        ours_updates = resolve_updates(rules, counts)
        theirs_updates = their_updates(vllm, rules, counts)
        tokens, result = vllm.apply_token_matches(prompt, theirs_updates)
        ours = apply_updates(prompt, ours_updates)
        said = f"case {case}: {prompt} {rules} {counts}"
        assert ours.tokens == tokens, said

        applied = {modality: [None] * len(items) for modality, items in ours_updates.items()}
        for edit in ours.edits:
            update = edit.update
            alternatives = ours_updates[update.modality][update.item]
            applied[update.modality][update.item] = next(i for i, u in enumerate(alternatives) if u is update)
        assert applied == result, said

        _, _, places = vllm._apply_token_matches_with_placeholders(prompt, theirs_updates)
        assert sorted(our_rows(ours.placeholders)) == sorted(as_rows(places)), said
        again = find_placeholders(tokens, ours_updates)
        assert sorted(our_rows(again)) == sorted(as_rows(vllm.find_mm_placeholders(tokens, theirs_updates))), said

        seen["missing"] += any(None in items for items in result.values())
        seen["several"] += len({edit.update.modality for edit in ours.edits}) > 1
        seen["overlap"] += any(a.end > b.at for a, b in zip(ours.edits, ours.edits[1:], strict=False))
        starts = [edit.start for edit in ours.edits if edit.start != edit.end]
        seen["repeated"] += len(starts) > 1
        seen["found again"] += bool(again)
    assert min(seen.values()) > 50, seen  # the cases are as nasty as they should be


def test_matches_equal_vllm(vllm):
    rng = random.Random(1)
    for _ in range(1_000):
        prompt, target, start = random_tokens(rng, 12), random_tokens(rng), rng.randint(0, 5)
        first = next(vllm.iter_token_matches(prompt, target, start_idx=start), None)
        assert find_target(prompt, target, start) == (tuple(first) if first else None)


def test_what_vllm_lets_pass_is_refused(vllm):
    """For random prompts, `expand` returns what vLLM returns or raises; and it raises on all four mistakes."""
    rng = random.Random(2)
    raised = 0
    for _ in range(1_000):
        prompt, rules, counts = random_case(rng)
        updates = resolve_updates(rules, counts)
        try:
            assert expand(prompt, updates).tokens == apply_updates(prompt, updates).tokens
        except PlaceholderMismatch:
            raised += 1
    assert 100 < raised < 950


def both(vllm, prompt, rules, counts):
    ours = [PromptUpdate(m, mode, t, lambda i, c=c: Content(tuple(c))) for m, mode, t, c in rules]
    return resolve_updates(ours, counts), vllm.apply_token_matches(prompt, their_updates(vllm, ours, counts))


@pytest.mark.parametrize(
    ("prompt", "rules", "counts", "theirs", "says"),
    [
        ([5, 6], [("image", "replace", [7], [9, 9])], {"image": 1}, [5, 6], "no target for image 0: token 7"),
        ([7, 5, 7], [("image", "replace", [7], [9, 9])], {"image": 1}, [9, 9, 5, 7], "token 7 is left over"),
        ([7, 7, 5], [("image", "replace", [7], [7, 7])], {"image": 1}, [7, 7, 7, 5], "expanded already"),
        (
            [5, 7, 6],
            [("image", "replace", [7], [9, 9]), ("audio", "insert", START, [8])],
            {"image": 1, "audio": 1},
            [5, 9, 9, 8, 5, 7, 6],  # the whole prompt a second time, its placeholder with it
            "order the rules",
        ),
        (
            [1, 2, 3, 4],
            [("image", "insert", [1, 2, 3, 4], [9]), ("audio", "insert", [2], [8])],
            {"image": 1, "audio": 1},
            [1, 2, 3, 4, 9, 8, 3, 4],
            "order the rules",
        ),
    ],
    ids=["no place", "too many places", "twice expanded", "start last", "one target inside another"],
)
def test_the_traps(vllm, prompt, rules, counts, theirs, says):
    updates, (tokens, _) = both(vllm, prompt, rules, counts)
    assert tokens == theirs  # vLLM's own, in silence
    with pytest.raises(PlaceholderMismatch, match=says):
        expand(prompt, updates)


def test_the_order_of_rules_repairs_it(vllm):
    rules = [("audio", "insert", START, [8]), ("image", "replace", [7], [9, 9])]
    updates, (tokens, _) = both(vllm, [5, 7, 6], rules, {"image": 1, "audio": 1})
    assert expand([5, 7, 6], updates).tokens == tokens == [8, 5, 9, 9, 6]


# The names of the processing reference of 2025 (vLLM 0.8), which notebook 07 promises to meet, each of them.
REFERENCE = [
    "MultiModalInputs",
    "MultiModalEncDecInputs",
    "ProcessingCache",
    "InputProcessingContext",
    "BaseDummyInputsBuilder",
    "hf_processor_mm_kwargs",
    "return_mm_hashes",
    "enable_sanity_checks",
    "get_content",
    "PromptSeq",
    "PromptIndex",
    "get_match_index",
    "PromptTarget",
    "PromptUpdateDetails",
    "PromptUpdateInfo",
    "PromptUpdateContent",
    "UpdateMode",
    "PromptUpdate",
    "PromptInsertion",
    "PromptIndexTargets",
    "PromptReplacement",
    "full_groupby_modality",
    "BoundPromptUpdate",
    "iter_token_matches",
    "replace_token_matches",
    "PromptTargetMatch",
    "PlaceholderFeaturesInfo",
    "find_token_matches",
    "find_text_matches",
    "apply_token_matches",
    "apply_text_matches",
    "BaseProcessingInfo",
    "get_hf_processor",
    "get_supported_mm_limits",
    "get_mm_max_tokens_per_item",
    "BaseMultiModalProcessor",
    "EncDecMultiModalProcessor",
    "create_encoder_prompt",
    "create_decoder_prompt",
]


def test_notebook_07_has_a_cell_for_every_name():
    notebook = nbformat.read(Path(__file__).parents[1] / "notebooks" / "07_prompt_updates.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert [name for name in REFERENCE if not re.search(rf"\b{name}\b", code)] == []
