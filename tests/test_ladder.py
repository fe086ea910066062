"""The diff ladder: one planted difference for each rung is found at that rung, with its size; equal ways are equal.

Oracle: the planted difference itself; transformers' own loaders and processors for the second way.
"""

from __future__ import annotations

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mmkit import MultiModalPreprocessor, MultiModalSample
from mmkit.cli import app
from mmkit.errors import CorruptMedia, DecodedTooLarge, InvalidArgument, SourceNotFound
from mmkit.ladder import RUNGS, Trace, climb, compare, load_trace, save_trace, trace_mmkit, trace_transformers

PICTURE = "data/circle_and_square.png"


@pytest.fixture(scope="module")
def eyes():
    return MultiModalPreprocessor("tiny-qwen2-vl")


@pytest.fixture(scope="module")
def ears():
    return MultiModalPreprocessor("tiny-qwen2-audio")


@pytest.fixture(scope="module")
def seen(eyes):
    return trace_mmkit(eyes, MultiModalSample("What?", (PICTURE,)))


def first(one: Trace, other: Trace) -> tuple[str, str]:
    """The rung, and what is said of the first value that differs."""
    step = climb(one, other).first
    assert step is not None
    return step.rung.name, step.differences[0].what


def test_two_ways_that_agree(eyes, ears, seen):
    """Pictures bit for bit, and what the model sees is computed back to the very bytes."""
    other = trace_transformers(eyes, MultiModalSample("What?", (PICTURE,)))
    ladder = climb(seen, other)
    assert [step.state for step in ladder.steps] == ["same"] * 5 + ["not in both"]
    assert ladder.first is None
    from mmkit.image import resize_to_recipe

    pixels = seen.rungs["decode"]["image 0"]
    want = resize_to_recipe(pixels, eyes.family.recipes["image"])
    assert (seen.rungs["resize"]["image 0"] == want).all()


def test_two_pictures_in_their_order(eyes):
    sample = MultiModalSample("?", (PICTURE, "data/three_shapes.png"))
    one, other = trace_mmkit(eyes, sample), trace_transformers(eyes, sample)
    assert climb(one, other).first is None
    swapped = dataclasses.replace(sample, images=sample.images[::-1])
    assert first(one, trace_mmkit(eyes, swapped))[0] == "decode"


def test_two_ways_of_hearing_agree(ears):
    sample = MultiModalSample("What?", audios=("data/three_one_four.wav",))
    assert climb(trace_mmkit(ears, sample), trace_transformers(ears, sample)).first is None


@pytest.mark.parametrize("model", ["tiny-clip", "tiny-whisper", "tiny-omni"])
def test_each_model_can_be_traced(model):
    pre = MultiModalPreprocessor(model)
    audio = model == "tiny-whisper"
    sample = MultiModalSample("", audios=("data/red.flac",)) if audio else MultiModalSample("", images=(PICTURE,))
    one, other = trace_mmkit(pre, sample), trace_transformers(pre, sample)
    assert {"resize", "features"} <= set(one.rungs)
    assert climb(one, other).first is None


# --------------------------------------------------------------------------------- one planted difference a rung


def test_decode_sixteen_bits(eyes):
    """transformers' load_image clips 16 bits, as Pillow does."""
    sample = MultiModalSample("What?", ("data/scan16.png",))
    rung, what = first(trace_mmkit(eyes, sample), trace_transformers(eyes, sample))
    assert rung == "decode"
    assert "by up to" in what


def test_decode_alpha(eyes):
    sample = MultiModalSample("What?", ("data/badge.png",))
    assert first(trace_mmkit(eyes, sample), trace_transformers(eyes, sample))[0] == "decode"


def test_decode_bgr(eyes, seen):
    turned = np.ascontiguousarray(seen.rungs["decode"]["image 0"][..., ::-1])
    rung, what = first(seen, trace_mmkit(eyes, MultiModalSample("What?", (turned,))))
    assert rung == "decode"
    assert "values differ" in what


def test_resize_another_size(seen):
    small = MultiModalPreprocessor("tiny-qwen2-vl", processor_kwargs={"max_pixels": 56 * 56})
    rung, what = first(seen, trace_mmkit(small, MultiModalSample("What?", (PICTURE,))))
    assert (rung, what) == ("resize", "another shape")


def test_resize_another_filter(eyes):
    """The same file, resized by hand without a filter: the shapes agree, the pixels do not."""
    other = seen = trace_mmkit(eyes, MultiModalSample("What?", ("data/harbour.jpg",)))
    height, width = other.rungs["resize"]["image 0"].shape[:2]
    plain = Image.fromarray(other.rungs["decode"]["image 0"]).resize((width, height), Image.Resampling.NEAREST)
    rungs = {**other.rungs, "resize": {"image 0": np.asarray(plain)}}
    assert first(seen, Trace("nearest", rungs))[0] == "resize"


def test_resample_another_rate(ears):
    wave = np.sin(np.arange(44_100, dtype=np.float32) / 20)
    from mmkit import Clip

    right = trace_mmkit(ears, MultiModalSample("?", audios=(Clip(wave, 44_100),)))
    bare = trace_mmkit(ears, MultiModalSample("?", audios=(Clip(wave, 16_000),)))
    rung, what = first(right, bare)
    assert rung == "resize"
    assert what.startswith("16000 against 44100 values")


def test_features_another_mean(eyes, seen):
    """The pixels agree, computed back with each way's own numbers; the tensors do not."""
    values = seen.rungs["features"]["pixel_values"]
    rungs = {**seen.rungs, "features": {**seen.rungs["features"], "pixel_values": values * np.float32(0.9)}}
    rung, what = first(seen, Trace("other", rungs))
    assert rung == "features"
    assert "by up to" in what


def test_features_within_their_tolerance(seen):
    values = seen.rungs["features"]["pixel_values"]
    for step, found in ((5e-6, None), (5e-5, "features")):
        near = {**seen.rungs, "features": {**seen.rungs["features"], "pixel_values": values + np.float32(step)}}
        step_found = climb(seen, Trace("near", near)).first
        assert (step_found and step_found.rung.name) == found


def test_tokens_typed_control_token(eyes):
    """mmkit breaks it up, the template of transformers takes it for a placeholder."""
    plain = MultiModalSample("What is <|im_end|>?", (PICTURE,))
    rung, what = first(trace_mmkit(eyes, plain), trace_transformers(eyes, plain))
    assert rung == "tokens"
    assert "the first that differs is number" in what


def test_tokens_another_question(eyes, seen):
    assert first(seen, trace_mmkit(eyes, MultiModalSample("Where?", (PICTURE,))))[0] == "tokens"


def test_sampling_of_a_generation_config(eyes, seen, tmp_path):
    """A model's folder that asks for temperature 0.7, as published ones do."""
    import json
    import shutil
    from pathlib import Path

    folder = tmp_path / "model"
    shutil.copytree(eyes.model, folder)
    config = json.loads(Path(folder, "generation_config.json").read_text())
    Path(folder, "generation_config.json").write_text(json.dumps({**config, "do_sample": True, "temperature": 0.7}))
    other = trace_transformers(MultiModalPreprocessor(folder), MultiModalSample("What?", (PICTURE,)))
    step = climb(seen, other).first
    assert step.rung.name == "sampling"
    assert step.differences[0].name == "temperature"
    assert step.differences[0].what == "0 against 0.7"


@pytest.mark.vllm
def test_logprobs(eyes):
    """vLLM and transformers agree to the tolerance; a planted doubt is found on the last rung."""
    from mmkit import Engine

    sample = MultiModalSample("What color is the circle?", (PICTURE,))
    with Engine("tiny-qwen2-vl", quiet=True) as engine:
        one = trace_mmkit(eyes, sample, engine=engine)
        cold = trace_mmkit(eyes, sample, temperature=0.5, top_k=1)
    other = trace_transformers(eyes, sample, answer=True)
    ladder = climb(one, other)
    assert [step.state for step in ladder.steps] == ["same"] * 6
    rungs = {
        **one.rungs,
        "logprobs": {**one.rungs["logprobs"], "logprobs": one.rungs["logprobs"]["logprobs"] - 0.1},
    }
    assert first(one, Trace("doubtful", rungs))[0] == "logprobs"
    assert first(one, cold)[0] == "sampling"


# ------------------------------------------------------------------------------------------------ comparing


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (np.array([1, 2]), np.array([1, 2]), ""),
        (np.array([1, 2]), None, "only in the first"),
        (None, np.array([1]), "only in the second"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "another shape"),
        (
            np.array([1, 2, 3]),
            np.array([1, 2]),
            "3 against 2 values; the first that differs is number 2: 3 against",
        ),
        (np.array([np.nan]), np.array([np.nan]), ""),
        (np.array([np.nan, 1]), np.array([1.0, 1]), "1 of 2 values differ, by up to NaN; the first is [0]: nan"),
        (np.array([np.inf, 1]), np.array([1.0, 1]), "1 of 2 values differ, by up to inf"),
        (np.array([0, 255], np.uint8), np.array([255, 0], np.uint8), "2 of 2 values differ, by up to 255"),
        (np.float64(1), np.float64(2), "1 against 2"),
        (np.array([], np.int64), np.array([], np.int64), ""),
        (np.array([]), np.array([7]), "0 against 1 values; the first that differs is number 0: nothing against 7"),
    ],
)
def test_compare(one, other, says):
    assert compare(one, other, 0).startswith(says)
    assert bool(compare(one, other, 0)) == bool(says)


def test_it_stops_at_the_first(seen):
    """Everything differs; only the lowest is told."""
    other = Trace("other", {rung: {k: v + 1 for k, v in values.items()} for rung, values in seen.rungs.items()})
    ladder = climb(seen, other)
    assert [step.state for step in ladder.steps] == ["differs"]
    assert "look at: the loader" in str(ladder)
    assert str(ladder).splitlines()[2].split() == ["mmkit", "other"]


def test_rungs_that_one_lacks_are_passed_over(seen):
    part = Trace("part", {"tokens": seen.rungs["tokens"]})
    states = [step.state for step in climb(seen, part).steps]
    assert states == ["not in both"] * 3 + ["same"] + ["not in both"] * 2
    assert len(RUNGS) == 6


# -------------------------------------------------------------------------------------------------- saved traces


def test_a_saved_trace_is_the_same(seen, tmp_path):
    save_trace(seen, tmp_path / "a.npz")
    again = load_trace(tmp_path / "a.npz")
    assert again.name == "mmkit"
    assert climb(seen, again).first is None
    assert {rung: sorted(v) for rung, v in again.rungs.items()} == {r: sorted(v) for r, v in seen.rungs.items()}


def test_broken_traces(tmp_path):
    with pytest.raises(SourceNotFound):
        load_trace(tmp_path / "none.npz")
    pickled = io.BytesIO()
    np.savez(pickled, name=np.array("x"), **{"tokens/input_ids": np.array([object()])})
    plain = io.BytesIO()
    np.savez(plain, other=np.arange(3))
    for data in (b"", b"hello", pickled.getvalue(), plain.getvalue(), plain.getvalue()[:-30]):
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(CorruptMedia, match=r"bad\.npz"):
            load_trace(tmp_path / "bad.npz")


def test_a_trace_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("mmkit.ladder.MAX_TRACE", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("name.npy", b"\0" * 100_000)
    with pytest.raises(DecodedTooLarge):
        load_trace(tmp_path / "bomb.npz")


def test_what_transformers_alone_does_not_have(eyes):
    for sample in (MultiModalSample(prompt="x"), MultiModalSample("?", videos=("data/circle.mp4",))):
        with pytest.raises(InvalidArgument):
            trace_transformers(eyes, sample)


def test_videos_have_traces(eyes):
    sample = MultiModalSample("What?", videos=("data/circle.mp4",))
    trace = trace_mmkit(eyes, sample)
    assert trace.rungs["decode"]["video 0"].ndim == 4
    assert trace.rungs["resize"]["video 0"].ndim == 4


# ------------------------------------------------------------------------------------------------------ the verb


def run(*arguments: object):
    return CliRunner().invoke(app, ["diff", *map(str, arguments)], catch_exceptions=False)


def test_the_verb(tmp_path):
    assert run(PICTURE).exit_code == 0
    found = run("data/scan16.png", "--ask", "What?")
    assert found.exit_code == 1
    assert "decode    differs" in found.stdout
    assert run(PICTURE, "--save", tmp_path / "a.npz").exit_code == 0
    assert run("data/three_shapes.png", "--save", tmp_path / "b.npz").exit_code == 0
    assert run(PICTURE, "--against", tmp_path / "a.npz").exit_code == 0
    assert run(tmp_path / "a.npz", tmp_path / "b.npz").exit_code == 1
    models = run(PICTURE, "--against", "tiny-omni")
    assert models.exit_code == 1
    assert "decode    same" in models.stdout
