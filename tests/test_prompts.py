"""Prompts: oracle is the tokenizer itself, which must read no control token in neutralized user text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmkit import shipped
from mmkit.errors import PlaceholderMismatch
from mmkit.processors import load_processor
from mmkit.prompts import check_placeholders, find_reserved, neutralize, placeholders_in, reserved_strings

QWEN = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
RESERVED = ("<|vision_start|>", "<|image_pad|>", "<|im_start|>", "<image>", "<<", "<s>")


@pytest.fixture(scope="module")
def processor():
    return load_processor(shipped.resolve("tiny-qwen2-vl"))


@given(st.lists(st.sampled_from([*RESERVED, "<", "|>", "im", "age", " ", "你好", "s>"]), max_size=8).map("".join))
def test_nothing_reserved_is_left(text):
    plain, notes = neutralize(text, RESERVED)
    assert find_reserved(plain, RESERVED) == []
    assert plain.replace("\u2060", "") == text
    assert bool(notes) == bool(find_reserved(text, RESERVED))


def test_text_without_reserved_strings_is_untouched():
    text = "Is 3 < 4? <b>yes</b> 数据\n"
    assert neutralize(text, RESERVED) == (text, ())


def test_every_control_token_of_the_shipped_model_is_reserved(processor):
    reserved = set(reserved_strings(processor))
    assert {"<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|video_pad|>"} <= reserved


def test_the_tokenizer_reads_neutralised_text_as_text(processor):
    tokenizer = processor.tokenizer
    control = set(tokenizer.get_added_vocab().values())
    for string in reserved_strings(processor):
        text = f"what is {string}?"
        assert control & set(tokenizer(text)["input_ids"]), "the trap is real"
        plain, notes = neutralize(text, reserved_strings(processor))
        assert not control & set(tokenizer(plain)["input_ids"])
        assert string in notes[0]


def test_order_of_placeholders():
    assert placeholders_in("<|video_pad|>a<|image_pad|><|image_pad|>", QWEN) == ["video", "image", "image"]


@pytest.mark.parametrize(
    ("prompt", "items"),
    [
        ("no placeholder", {"image": 1}),
        ("<|image_pad|><|image_pad|>", {"image": 1}),  # vLLM 0.32 passes this one in silence
        ("<|image_pad|>", {}),
        ("<|image_pad|>", {"video": 1}),
    ],
)
def test_mismatch_is_an_error(prompt, items):
    with pytest.raises(PlaceholderMismatch, match="one an item is needed"):
        check_placeholders(prompt, items, QWEN)


def test_match_passes():
    check_placeholders("<|image_pad|> or <|image_pad|>?", {"image": 2}, QWEN)
    check_placeholders("text only", {}, QWEN)
