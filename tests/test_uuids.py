"""A caller's own names for items.  Oracles: the items themselves; what vLLM does with them: test_engine.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit.errors import InvalidArgument, MediaError, UuidMismatch
from mmkit.uuids import Uuids, item_key

RED, GREEN = (Image.new("RGB", (8, 8), color) for color in ("red", "green"))


def about(item, uuid="p1", modality="image"):
    return {"prompt": "?", "multi_modal_data": {modality: [item]}, "multi_modal_uuids": {modality: [uuid]}}


def palette(color: tuple[int, int, int]) -> Image.Image:
    picture = Image.new("P", (8, 8))
    picture.putpalette(color)
    return picture


def test_a_name_keeps_its_content():
    names = Uuids()
    for prompt in (about(RED), about(GREEN, "p2"), about(RED.copy()), about(None), about(RED, "p3")):
        assert names.checked(prompt) is prompt


def test_another_content_under_a_name_is_refused_and_the_name_is_not_changed():
    names = Uuids()
    names.checked(about(RED))
    with pytest.raises(UuidMismatch, match=r"image 0: the uuid 'p1' named another image before"):
        names.checked(about(GREEN))
    names.checked(about(RED))
    assert issubclass(UuidMismatch, MediaError)


def test_nothing_is_named_by_a_name_that_was_never_sent():
    with pytest.raises(UuidMismatch, match="names nothing yet; send the image with it once"):
        Uuids().checked(about(None))


def test_modalities_have_names_of_their_own():
    names = Uuids()
    names.checked(about(RED))
    names.checked(about((np.zeros(8), 8000), modality="audio"))


def test_the_second_of_two_is_named_in_the_error():
    names = Uuids()
    two = {"prompt": "?", "multi_modal_data": {"image": [RED, GREEN]}, "multi_modal_uuids": {"image": ["a", "a"]}}
    with pytest.raises(UuidMismatch, match="image 1"):
        names.checked(two)


def test_what_has_no_name_is_left_to_vllm():
    names = Uuids()
    for prompt in ({"prompt": "?"}, {"prompt": "?", "multi_modal_data": {"image": RED}}, about(RED, None)):
        names.checked(prompt)
    names.checked(about(GREEN, None))


@pytest.mark.parametrize(
    ("data", "uuids"),
    [
        ({"image": RED}, {"image": ["a"]}),
        ({"image": [RED]}, {"image": "a"}),
        ({"image": [RED]}, {"image": ["a", "b"]}),
        ({}, {"image": ["a"]}),
        (None, {"image": ["a"]}),
    ],
)
def test_lists_that_do_not_fit(data, uuids):
    with pytest.raises(InvalidArgument, match="two lists of one length"):
        Uuids().checked({"prompt": "?", "multi_modal_data": data, "multi_modal_uuids": uuids})


PAIRS = {
    "pixels": (RED, GREEN),
    "sides": (np.zeros((2, 8, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)),
    "type": (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.float32)),
    "one pixel": (np.eye(4), np.eye(4) - np.eye(1, 16).reshape(4, 4)),
    "colors of a palette": (palette((255, 0, 0)), palette((0, 255, 0))),
    "16 bits": (Image.fromarray(np.full((2, 2), 300, np.uint16)), Image.fromarray(np.full((2, 2), 400, np.uint16))),
    "sample rate": ((np.zeros(8), 8000), (np.zeros(8), 16000)),
    "facts about a video": ((np.zeros((2, 4, 4, 3)), {"fps": 1.0}), (np.zeros((2, 4, 4, 3)), {"fps": 2.0})),
    "order of frames": ([RED, GREEN], [GREEN, RED]),
    "embeddings": ({"image_embeds": torch.zeros(2, 3)}, {"image_embeds": torch.ones(2, 3)}),
    "half precision": (torch.zeros(3, dtype=torch.bfloat16), torch.ones(3, dtype=torch.bfloat16)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_items_that_differ_have_keys_that_differ(pair):
    first, second = (item_key("image", item) for item in pair)
    assert first != second
    assert item_key("image", pair[0]) == first


def test_memory_order_is_no_difference():
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert item_key("image", array) == item_key("image", np.asfortranarray(array))
