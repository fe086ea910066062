"""Fusion: positions of tokens, held against transformers' models and against vLLM's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit.errors import PlaceholderMismatch
from mmkit.fusion import grid_positions, mrope_positions

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
@settings(deadline=None, max_examples=150)
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
        for _ in range(60):
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
