"""The fused twins. Oracles: the readable functions of image.py and audio.py, which equal transformers and vLLM."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit import audio, image, kernels
from mmkit.errors import BadEncoding, EmptyMedia, InvalidArgument, LimitExceeded, NonFiniteSamples
from mmkit.recipes import CLIP, IMAGENET, QWEN2_VL, SIGLIP, WHISPER, WHISPER_LARGE_V3, recipe_for
from mmkit.sizes import MAX_ASPECT

QWEN3_VL = recipe_for("qwen3-vl", "image")
RECIPES = [QWEN2_VL, QWEN3_VL, CLIP, SIGLIP, IMAGENET]


def noise(height: int, width: int, seed: int = 0, frames: int = 0) -> np.ndarray:
    shape = (frames, height, width, 3) if frames else (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def assert_same(pixels: np.ndarray, recipe, dtype: str = "float32", **options) -> None:
    ours, theirs = kernels.image_features(pixels, recipe, dtype, **options), image.features(pixels, recipe, dtype)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (28, 28), (37, 91), (640, 480), (5000, 61)])
def test_features_equal_the_readable_ones(recipe, size, dtype):
    assert_same(noise(*size), recipe, dtype)


@settings(max_examples=40)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(RECIPES), st.integers(0, 99))
def test_any_size(height, width, recipe, seed):
    if max(height, width) <= MAX_ASPECT * min(height, width):
        assert_same(noise(height, width, seed), recipe)


def test_strides_do_not_matter():
    large = noise(300, 400)
    for view in (large[::2, ::3], large[::-1], large[:, ::-1], large.transpose(1, 0, 2), large[..., ::-1]):
        assert_same(view, QWEN2_VL)
        assert_same(view, CLIP)
    gray = np.broadcast_to(noise(90, 70)[..., :1], (90, 70, 3))  # stride 0, not writable
    assert_same(gray, QWEN2_VL)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("frames", [1, 2, 3, 8])
@pytest.mark.parametrize(("patch", "merge", "temporal_patch"), [(14, 2, 2), (16, 2, 2), (4, 1, 1), (2, 3, 4)])
def test_clips(frames, patch, merge, temporal_patch, dtype):
    """A clip's patches: one frame, whole temporal patches, and a last frame that is repeated."""
    clip = noise(2 * patch * merge, 3 * patch * merge, frames=frames)
    statistics = (QWEN2_VL.mean, QWEN2_VL.std) if dtype == "float32" else None
    values = image.normalize(clip, *statistics) if statistics else clip
    theirs, grid = image.patchify(values, patch, merge, temporal_patch)
    ours, our_grid = kernels.pack_patches(clip, patch, merge, temporal_patch, statistics)
    assert our_grid == grid
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("recipe", [QWEN2_VL, CLIP], ids=lambda recipe: recipe.name)
def test_a_reused_output_is_written_whole(recipe):
    pixels = noise(120, 160)
    wanted = image.features(pixels, recipe)["pixel_values"]
    out = np.full(wanted.shape, np.nan, np.float32)
    found = kernels.image_features(pixels, recipe, out=out)["pixel_values"]
    assert found.data_ptr() == out.ctypes.data
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((1, 1), np.float32),
        np.empty((1, 3, 224, 224), np.float64),
        np.empty((1, 3, 224, 448), np.float32)[..., ::2],
    ],
)
def test_an_output_that_does_not_fit_is_refused(out):
    with pytest.raises(InvalidArgument, match=r"out is .*needs contiguous float32 \(1, 3, 224, 224\)"):
        kernels.image_features(noise(50, 50), CLIP, out=out)


def test_wrong_input_is_refused_before_compiled_code_sees_it():
    with pytest.raises(BadEncoding, match="want"):
        kernels.image_features(np.zeros((4, 4), np.uint8), QWEN2_VL)
    with pytest.raises(InvalidArgument, match="dtype 'float16'"):
        kernels.image_features(noise(56, 56), QWEN2_VL, "float16")
    with pytest.raises(InvalidArgument, match="multiples of 28"):
        kernels.pack_patches(noise(56, 57))
    with pytest.raises(InvalidArgument, match="0 frames"):
        kernels.pack_patches(np.zeros((0, 28, 28, 3), np.uint8))
    with pytest.raises(LimitExceeded):
        kernels.image_features(noise(2, 500), QWEN2_VL)


def test_threads_share_the_kernels():
    pictures = [noise(100 + i, 150, seed=i) for i in range(16)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pixels: kernels.image_features(pixels, QWEN2_VL), pictures))
    for pixels, features in zip(pictures, found, strict=True):
        assert torch.equal(features["pixel_values"], image.features(pixels, QWEN2_VL)["pixel_values"])


SOUND = [
    WHISPER,
    WHISPER_LARGE_V3,
    replace(WHISPER, pad=False),
    replace(WHISPER, mel_scale="htk", norm=None, log="ln", dynamic_range=None, drop_last=False, pad=False),
    recipe_for("tiny-omni", "audio"),
]


@pytest.mark.parametrize("recipe", SOUND, ids=range(len(SOUND)))
@pytest.mark.parametrize("samples", [1, 200, 201, 399, 4_001, 40_000, 480_000, 500_000])
def test_log_mel_equals_the_readable_one(samples, recipe):
    wave = np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * 0.1
    ours, theirs = kernels.log_mel(wave, recipe), audio.log_mel(wave, recipe)
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@settings(max_examples=30)
@given(st.integers(1, 60_000), st.floats(-120, 0), st.integers(0, 99))
def test_log_mel_of_any_length_and_loudness(samples, decibels, seed):
    noise = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    wave = noise * np.float32(10 ** (decibels / 20))
    torch.testing.assert_close(kernels.log_mel(wave), audio.log_mel(wave), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("wave", "error"),
    [
        (np.zeros(0, np.float32), EmptyMedia),
        (np.array([0, np.nan], np.float32), NonFiniteSamples),
        (np.zeros((2, 400), np.float32), BadEncoding),
        (np.zeros(400, np.int16), BadEncoding),
    ],
)
def test_log_mel_refuses_what_the_readable_one_refuses(wave, error):
    for log_mel in (kernels.log_mel, audio.log_mel):
        with pytest.raises(error):
            log_mel(wave)
