"""Fusion: merge, projectors, padding, attention, losses and positions, held against transformers and vLLM."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit import shipped
from mmkit.errors import PlaceholderMismatch
from mmkit.fusion import (
    cross_attention,
    grid_positions,
    info_nce,
    max_sim,
    merge_embeddings,
    mrope_positions,
    pad_embeddings,
    project,
    sigmoid_loss,
    similarity,
    token_owners,
)

# A prompt: text, then items, each with text after it. (kind, gt, gh/2, gw/2) of each item.
ITEMS = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5)), max_size=4
)


def prompt(lead: int, items: list) -> tuple[list[int], list, list]:
    """Kinds and grids; between two items stand two tokens of text, as vision_end and vision_start do."""
    kinds, grids = [0] * lead, {1: [], 2: []}
    for kind, t, h, w in items:
        t = 1 if kind == 1 else t
        grids[kind].append([t, 2 * h, 2 * w])
        kinds += [kind] * (t * h * w) + [0, 0]
    return kinds, grids[1], grids[2]


def oracle(name: str):
    """get_rope_index of a model without weights."""
    from types import SimpleNamespace

    from transformers import Qwen2_5_VLModel, Qwen2VLModel

    model = {"qwen2-vl": Qwen2VLModel, "qwen2.5-vl": Qwen2_5_VLModel}[name]
    config = SimpleNamespace(vision_config=SimpleNamespace(spatial_merge_size=2, tokens_per_second=2))
    fake = SimpleNamespace(config=config)
    fake.get_vision_position_ids = model.get_vision_position_ids.__get__(fake)
    return model.get_rope_index.__get__(fake)


def theirs(index, kinds, images, videos, **more):
    ids = torch.zeros(1, len(kinds), dtype=torch.long)
    positions, delta = index(
        ids,
        torch.tensor([kinds]),
        torch.tensor(images) if images else None,
        torch.tensor(videos) if videos else None,
        **more,
    )
    return positions[:, 0].numpy(), int(delta[0])


@given(lead=st.integers(1, 6), items=ITEMS)
@settings(deadline=None, max_examples=500)
def test_qwen2_vl_equals_transformers(lead, items):
    kinds, images, videos = prompt(lead, items)
    ours, delta = mrope_positions(kinds, images, videos, rule="transformers")
    reference, reference_delta = theirs(oracle("qwen2-vl"), kinds, images, videos)
    assert np.array_equal(ours, reference)
    assert delta == reference_delta


@given(lead=st.integers(1, 6), items=ITEMS, seconds=st.floats(0.05, 4))
@settings(deadline=None, max_examples=150)
def test_qwen2_5_vl_equals_transformers(lead, items, seconds):
    kinds, images, videos = prompt(lead, items)
    seconds = float(np.float32(seconds))
    ours, delta = mrope_positions(kinds, images, videos, intervals=[2 * seconds] * len(videos), rule="transformers")
    more = {"second_per_grid_ts": torch.tensor([seconds] * max(1, len(videos)))}
    reference, reference_delta = theirs(oracle("qwen2.5-vl"), kinds, images, videos, **more)
    assert np.array_equal(ours, reference)
    assert delta == reference_delta


@given(lead=st.integers(1, 6), items=ITEMS)
@settings(deadline=None, max_examples=50)
def test_both_rules_agree_on_images_and_short_clips(lead, items):
    kinds, images, videos = prompt(lead, [i for i in items if i[0] == 1 or i[1] <= max(i[2:])])
    both = [mrope_positions(kinds, images, videos, rule=rule) for rule in ("vllm", "transformers")]
    assert np.array_equal(both[0][0], both[1][0])
    assert both[0][1] == both[1][1]


def test_where_the_rules_differ():
    """On 500 random prompts the two rules differ exactly where a clip has more steps than its longer side tokens,
    and something comes behind it."""
    rng = np.random.default_rng(1)
    differing = 0
    for _ in range(500):
        items = [(int(rng.integers(1, 3)), *map(int, rng.integers(1, 9, 3))) for _ in range(rng.integers(1, 4))]
        kinds, images, videos = prompt(3, items)
        both = [mrope_positions(kinds, images, videos, rule=rule)[0] for rule in ("vllm", "transformers")]
        expected = any(kind == 2 and t > max(h, w) for kind, t, h, w in items)
        assert (not np.array_equal(*both)) == expected
        differing += expected
    assert 100 < differing < 400


def test_long_clip_by_hand():
    """Five temporal patches of one token: text behind them starts at 6 (the paper) or at 2 (transformers)."""
    kinds = [0, 2, 2, 2, 2, 2, 0]
    paper, _ = mrope_positions(kinds, video_grids=[(5, 2, 2)])
    other, _ = mrope_positions(kinds, video_grids=[(5, 2, 2)], rule="transformers")
    assert paper[:, -1].tolist() == [6, 6, 6]
    assert other[:, -1].tolist() == [2, 2, 2]


@pytest.mark.vllm
def test_equals_vllm():
    """vLLM's own functions, for Qwen2-VL and for Qwen2.5-VL, on random prompts."""
    from types import SimpleNamespace

    from vllm.model_executor.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration
    from vllm.model_executor.models.qwen2_vl import Qwen2VLForConditionalGeneration

    rng = np.random.default_rng(0)
    for model, scale in ((Qwen2VLForConditionalGeneration, 1.0), (Qwen2_5_VLForConditionalGeneration, 2.0)):
        vision = SimpleNamespace(spatial_merge_size=2, **({"tokens_per_second": 2} if scale == 2 else {}))
        fake = SimpleNamespace(config=SimpleNamespace(vision_config=vision))
        fake.iter_mm_grid_thw = model.iter_mm_grid_thw.__get__(fake)
        for _ in range(500):
            items = [
                (int(rng.integers(1, 3)), int(rng.integers(1, 12)), *map(int, rng.integers(1, 5, 2)))
                for _ in range(rng.integers(1, 4))
            ]
            kinds, images, videos = prompt(3, items)
            second = 0.5 if scale == 2 else 1.0
            features, at = [], 3
            left = {1: iter(images), 2: iter(videos)}
            for kind, t, h, w in items:
                t = 1 if kind == 1 else t
                name = {1: "image", 2: "video"}[kind]
                data = {f"{name}_grid_thw": SimpleNamespace(data=torch.tensor(next(left[kind])))}
                if scale == 2 and kind == 2:
                    data["second_per_grid_ts"] = SimpleNamespace(data=torch.tensor(second))
                place = SimpleNamespace(offset=at, length=t * h * w)
                features.append(SimpleNamespace(mm_position=place, modality=name, data=data))
                at += t * h * w + 2
            reference, reference_delta = model.get_mrope_input_positions.__get__(fake)([0] * len(kinds), features)
            ours, delta = mrope_positions(kinds, images, videos, intervals=[scale * second] * len(videos))
            assert np.array_equal(ours, reference.numpy())
            assert delta == reference_delta


def test_text_alone_counts():
    positions, delta = mrope_positions([0] * 5)
    assert positions.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert delta == 0
    assert mrope_positions([])[0].shape == (3, 0)


def test_grid_positions_by_hand():
    assert grid_positions(7, (2, 2, 2), interval=25).tolist() == [[7, 32], [7, 7], [7, 7]]


@pytest.mark.parametrize(
    ("kinds", "images", "videos"),
    [
        ([0, 1], [], []),
        ([0, 1, 1], [(1, 4, 4)], []),
        ([0], [(1, 2, 2)], []),
        ([0, 3], [], []),
        ([2] * 5, [], [(1, 4, 4)]),
    ],
)
def test_kinds_and_grids_that_do_not_fit(kinds, images, videos):
    with pytest.raises(PlaceholderMismatch):
        mrope_positions(kinds, images, videos)


# ---------------------------------------------------------------- one sequence


def random_layers(*shapes):
    torch.manual_seed(0)
    return [torch.nn.Linear(*shape) for shape in shapes]


def test_projector_equals_llava():
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    torch.manual_seed(0)
    towers = {"vision_config": CLIPVisionConfig(hidden_size=24, num_attention_heads=2),
              "text_config": LlamaConfig(hidden_size=40, num_attention_heads=4)}  # fmt: skip
    config = LlavaConfig(**towers)
    theirs, features = LlavaMultiModalProjector(config), torch.randn(9, 24)
    torch.testing.assert_close(
        project(features, theirs.linear_1, theirs.linear_2), theirs(features), rtol=0, atol=0
    )


def test_projector_equals_qwen2_vl():
    from transformers.models.qwen2_vl.modeling_qwen2_vl import PatchMerger

    torch.manual_seed(0)
    theirs, features = PatchMerger(40, 24), torch.randn(16, 24)
    ours = project(features, theirs.mlp[0], theirs.mlp[2], norm=theirs.ln_q, group=4)
    torch.testing.assert_close(ours, theirs(features), rtol=0, atol=0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=5), st.integers(0, 4))
@settings(deadline=None, max_examples=100)
def test_merge_equals_masked_scatter_and_its_inverse_view(gaps, tail):
    """transformers scatters by a mask; and token_owners must find each row where the merge put it."""
    mask, spans = [], []
    for before, rows in gaps:
        mask += [False] * before
        spans.append((len(mask), (True,) * rows))
        mask += [True] * rows
    is_item = torch.tensor(mask + [False] * tail)
    text = torch.arange(len(is_item) * 2.0).view(-1, 2)
    items = [torch.full((rows, 2), -1.0 - number) + torch.arange(rows)[:, None] / 10
             for number, (_, rows) in enumerate(gaps)]  # fmt: skip
    merged = merge_embeddings(text, is_item, items)
    if items:
        assert torch.equal(merged, text.masked_scatter(is_item[:, None], torch.cat(items)))
    for at, (number, row) in enumerate(token_owners(len(is_item), spans).T):
        assert torch.equal(merged[at], text[at] if row < 0 else items[number][row])


@pytest.mark.vllm
def test_merge_equals_vllm():
    from vllm.model_executor.models.utils import _merge_multimodal_embeddings

    text, is_item = torch.zeros(5, 3), torch.tensor([False, True, True, False, True])
    items = [torch.ones(2, 3), torch.full((1, 3), 2.0)]
    assert torch.equal(
        merge_embeddings(text, is_item, items), _merge_multimodal_embeddings(text.clone(), items, is_item)
    )


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([torch.ones(3, 3)], "3 embeddings for 2 placeholders"),
        ([], "0 embeddings for 2 placeholders"),
        ([torch.ones(1, 3), torch.ones(1, 4)], "embeddings 4 wide in a text 3 wide"),
    ],
)
def test_merge_refuses_what_does_not_fit(items, says):
    with pytest.raises(PlaceholderMismatch, match=says):
        merge_embeddings(torch.zeros(4, 3), torch.tensor([True, False, True, False]), items)


def test_marks_around_an_item_receive_nothing():
    owners = token_owners(7, [(0, (False, True)), (3, (True, False, True))])
    assert owners.tolist() == [[0, 0, -1, 1, 1, 1, -1], [-1, 0, -1, 0, -1, 1, -1]]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_equals_alone(side):
    """GPT-2 has learned positions: padded and alone agree with our positions, and not with its own on the left."""
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    model = GPT2Model(GPT2Config(vocab_size=9, n_embd=32, n_layer=2, n_head=2, initializer_range=0.5)).eval()
    rows = [torch.randn(length, 32) for length in (7, 3, 1)]
    padded = pad_embeddings(rows, side=side)
    given = {"inputs_embeds": padded.embeddings, "attention_mask": padded.mask.long()}
    with torch.no_grad():
        together = model(**given, position_ids=padded.positions).last_hidden_state
        counted = model(**given).last_hidden_state
        for number, row in enumerate(rows):
            alone = model(inputs_embeds=row[None]).last_hidden_state[0]
            real = padded.mask[number]
            # float32: other sums in another order
            torch.testing.assert_close(together[number][real], alone, rtol=0, atol=1e-4)
            shifted = side == "left" and len(row) < 7
            assert ((counted[number][real] - alone).abs().max() > 0.1) == shifted


def test_padding_needs_a_side():
    with pytest.raises(ValueError, match="choose 'left' or 'right'"):
        pad_embeddings([torch.ones(1, 1)], side="middle")


def test_cross_attention_equals_whisper():
    """The shipped tiny-whisper's own decoder layer, with its trained weights."""
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(
        shipped.resolve("tiny-whisper"), attn_implementation="eager", dtype=torch.float32
    )
    theirs = model.model.decoder.layers[0].encoder_attn
    width = theirs.embed_dim
    text, memory = torch.randn(5, width), torch.randn(11, width)
    layers = (theirs.q_proj, theirs.k_proj, theirs.v_proj, theirs.out_proj)
    ours, weights = cross_attention(text, memory, layers, heads=theirs.num_heads)
    reference, reference_weights, *_ = theirs(text[None], key_value_states=memory[None], output_attentions=True)
    torch.testing.assert_close(ours, reference[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(weights, reference_weights[0], rtol=0, atol=1e-6)


def test_cross_attention_does_not_look_at_padding():
    layers = random_layers(*[(8, 8)] * 4)
    text, memory = torch.randn(3, 8), torch.randn(6, 8)
    mask = torch.tensor([True] * 4 + [False] * 2)
    padded, weights = cross_attention(text, memory, layers, heads=2, mask=mask)
    alone, _ = cross_attention(text, memory[:4], layers, heads=2)
    torch.testing.assert_close(padded, alone, rtol=0, atol=1e-6)
    assert weights[:, :, 4:].abs().max() == 0


# ---------------------------------------------------------------- one space


def test_info_nce_equals_clip():
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 50, "eos_token_id": 49},
        vision_config={**tower, "image_size": 28, "patch_size": 14},
        projection_dim=16,
    )
    model = CLIPModel(config).eval()
    ids = torch.cat([torch.randint(1, 49, (5, 6)), torch.full((5, 1), 49)], 1)
    out = model(input_ids=ids, pixel_values=torch.randn(5, 3, 28, 28), return_loss=True)
    cosines = similarity(out.image_embeds, out.text_embeds)
    torch.testing.assert_close(info_nce(cosines, model.logit_scale.exp()), out.loss, rtol=0, atol=1e-5)


def test_sigmoid_loss_equals_siglip():
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(0)
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**tower, "vocab_size": 50, "max_position_embeddings": 8, "projection_size": 32},
        vision_config={**tower, "image_size": 28, "patch_size": 14},
    )
    model = SiglipModel(config).eval()
    with torch.no_grad():
        model.logit_scale.fill_(1.2), model.logit_bias.fill_(-3.0)
    out = model(input_ids=torch.randint(1, 49, (5, 8)), pixel_values=torch.randn(5, 3, 28, 28), return_loss=True)
    cosines = similarity(out.text_embeds, out.image_embeds)
    ours = sigmoid_loss(cosines, model.logit_scale.exp(), model.logit_bias)
    torch.testing.assert_close(ours, out.loss, rtol=0, atol=1e-5)


@pytest.mark.vllm
def test_max_sim_equals_vllm():
    from vllm.entrypoints.pooling.scoring.utils import compute_maxsim_score

    torch.manual_seed(0)
    query, document = (torch.nn.functional.normalize(torch.randn(n, 8), dim=-1) for n in (4, 9))
    torch.testing.assert_close(max_sim(query, document), compute_maxsim_score(query, document))
    assert max_sim(query, query).item() == pytest.approx(4)
