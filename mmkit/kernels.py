"""Kernels: the fused twins of the readable image and sound paths, for bulk work.

    pixels (H, W, 3) uint8 + recipe -> image_features -> what image.features gives, bit for bit
        resize            torchvision's byte kernel, as in image.resize
        pack_patches      equals patchify(normalize(frames)): one strip of patches at a time, read and written once
        normalize_planes  equals normalize of the transposed pixels
    wave (T,) + recipe -> log_mel -> what audio.log_mel gives, within 1e-6

The readable functions in image.py and audio.py are the specification; tests/test_kernels.py proves that the twins
equal them. Why they are faster: a strip of patch rows is normalized while it is in the cache and goes straight to
its place, where numpy makes the float picture, its transpose and its temporal copies one after the other in
memory; and a mel filter is a short row of weights, where a matrix product multiplies by its zeros, too.
Compiled by numba at the first use (a second or two, kept in its cache folder), without Python's lock: threads help.
numba is imported then, not before: it takes a second, and behind it a bare vLLM does not start (see engine.py).
Leaves out decoding and the resize itself, which are torch's and libjpeg's and as fast as we know to make them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmkit import audio
from mmkit.errors import InvalidArgument
from mmkit.image import Picture, resize_to_recipe
from mmkit.recipes import WHISPER, AudioRecipe, Channels, ImageRecipe
from mmkit.sizes import SmartResize

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 256  # frames of sound at a time: their spectrum stays in the processor's cache
LANES = 16  # of them that one instruction may take together


def image_features(
    pixels: np.ndarray | Picture,
    recipe: ImageRecipe,
    dtype: Literal["float32", "uint8"] = "float32",
    out: np.ndarray | None = None,
) -> dict[str, Any]:
    """The fused twin of image.features: the same tensors, bit for bit.

    pixels: (H, W, 3) uint8, or a Picture.  out: an array to write pixel_values into, for callers who reuse one.
    Raises what image.features raises, and InvalidArgument where out has not the shape and dtype of the result.

    >>> from mmkit.recipes import QWEN2_VL
    >>> found = image_features(np.zeros((480, 640, 3), np.uint8), QWEN2_VL)
    >>> tuple(found["pixel_values"].shape), found["image_grid_thw"].tolist()
    ((1564, 1176), [[1, 34, 46]])
    """
    import torch

    statistics = (recipe.mean, recipe.std) if dtype == "float32" else None
    resized = resize_to_recipe(pixels, recipe)  # h w 3
    if dtype not in ("float32", "uint8"):
        raise InvalidArgument(f"dtype {dtype!r}: features come as 'float32' or 'uint8'")
    if not isinstance(recipe.resize, SmartResize):
        return {"pixel_values": torch.from_numpy(normalize_planes(resized, statistics, out))}  # 1 3 h w
    patches, grid = pack_patches(resized, recipe.patch, recipe.merge, recipe.temporal_patch, statistics, out)
    return {"pixel_values": torch.from_numpy(patches), "image_grid_thw": torch.tensor([grid])}


def pack_patches(
    frames: np.ndarray,
    patch: int = 14,
    merge: int = 2,
    temporal_patch: int = 2,
    statistics: tuple[Channels, Channels] | None = None,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Equals image.patchify(frames), or image.patchify(image.normalize(frames, *statistics)).

    frames: (H, W, 3) or (T, H, W, 3) uint8, sides multiples of patch * merge.  statistics: mean and std, as
    normalize takes them; without, the bytes stay bytes.  Returns patches (gt*gh*gw, 3*pt*p*p) and the grid
    (gt, gh, gw).  Raises InvalidArgument for a size that does not fit.

    >>> patches, grid = pack_patches(np.zeros((5, 56, 28, 3), np.uint8))
    >>> patches.shape, grid
    ((24, 1176), (3, 4, 2))
    """
    frames = np.ascontiguousarray(frames if frames.ndim == 4 else frames[None])  # T H W 3
    T, H, W, C = frames.shape
    p, m, pt = patch, merge, temporal_patch
    if H % (m * p) or W % (m * p) or C != 3 or not T:
        raise InvalidArgument(f"{T} frames of {W} x {H} x {C}: sides must be multiples of {m * p}, with 3 channels")
    gt, gh, gw = -(-T // pt), H // (m * p), W // (m * p)
    patches = _memory((gt * gh * gw * m * m, 3 * pt * p * p), statistics, out)
    blocks = patches.reshape(gt, gh, gw, m, m, 3, pt, p, p)
    packer(p, m, pt, T == 1, statistics is not None)(frames, *_in_bytes(statistics), blocks)
    return patches, (gt, gh * m, gw * m)


def normalize_planes(
    pixels: np.ndarray, statistics: tuple[Channels, Channels] | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Equals image.normalize(pixels.transpose(2, 0, 1)[None], *statistics, axis=1): (h, w, 3) -> (1, 3, h, w).

    >>> half = (0.5, 0.5, 0.5)
    >>> normalize_planes(np.full((1, 2, 3), 255, np.uint8), (half, half)).ravel()
    array([1., 1., 1., 1., 1., 1.], dtype=float32)
    """
    planes = _memory((1, 3, *pixels.shape[:2]), statistics, out)
    splitter(statistics is not None)(np.ascontiguousarray(pixels), *_in_bytes(statistics), planes[0])
    return planes


def _in_bytes(statistics: tuple[Channels, Channels] | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std in units of 0..255, float32, in the order of operations of image.normalize."""
    mean, std = statistics or ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # the latter are not read
    return np.array(mean, np.float32) * np.float32(255), np.array(std, np.float32) * np.float32(255)


def _memory(shape: tuple[int, ...], statistics: object, out: np.ndarray | None) -> np.ndarray:
    """Where the result goes: the caller's array, or new memory from torch, which keeps pages that it had before."""
    import torch

    dtype = "float32" if statistics else "uint8"
    if out is None:
        return torch.empty(shape, dtype=getattr(torch, dtype)).numpy()
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise InvalidArgument(f"out is {out.dtype} {out.shape}; this picture needs contiguous {dtype} {shape}")
    return out


# ------------------------------------------------------------------------------------------------ sound


def log_mel(wave: np.ndarray | Tensor, recipe: AudioRecipe = WHISPER) -> Tensor:
    """The fused twin of audio.log_mel: (T,) float -> (n_mels, n_frames) float32.

    The same errors; values agree within 1e-6 (sums are taken in another order).

    >>> log_mel(np.zeros(16_000, np.float32)).shape
    torch.Size([80, 3000])
    """
    import torch

    wave, silence, n_frames, heard = audio.heard_frames(wave, recipe)
    half = recipe.n_fft // 2
    padded = torch.zeros(half + len(wave) + silence + half)  # pad_centre, in one piece of memory
    padded[half : half + len(wave)] = wave
    padded[:half] = padded[half + 1 : 2 * half + 1].flip(0)
    padded[-half:] = padded[-2 * half - 1 : -half - 1].flip(0)
    mel = torch.zeros(recipe.n_mels, n_frames)
    frames = audio.frame(padded, recipe.n_fft, recipe.hop)[:heard]
    bands, (edges, bank), into = band_powers(), filter_rows(recipe), mel.numpy()
    for start in range(0, heard, BLOCK):
        spectrum = torch.view_as_real(audio.spectrum(frames[start : start + BLOCK])).numpy()  # frames bins 2
        bands(spectrum, edges, bank, into[:, start : start + BLOCK])
    return audio.compress(mel, recipe)


@lru_cache(maxsize=32)
def filter_rows(recipe: AudioRecipe) -> tuple[np.ndarray, np.ndarray]:
    """Each mel filter's own bins, (n_mels, 2) from and to; and the bank they index, (n_mels, n_bins)."""
    bank = np.ascontiguousarray(audio.filter_bank(recipe).T.numpy())
    bins = [(row.nonzero()[0][0], row.nonzero()[0][-1] + 1) if row.any() else (0, 0) for row in bank]
    return np.array(bins), bank


# ------------------------------------------------------------------------------------- compiled by numba


@lru_cache
def splitter(normalized: bool) -> Callable[..., None]:
    """A kernel from interleaved pixels (H, W, 3) to planes (3, H, W), normalized or as they are."""
    from numba import njit

    @njit(nogil=True, cache=True)
    def split(pixels, mean, std, planes):
        for y in range(pixels.shape[0]):
            row = pixels[y].reshape(-1)  # r g b r g b ...
            for c in range(3):
                line, m, s = planes[c, y], mean[c], std[c]
                for x in range(len(line)):
                    if normalized:
                        line[x] = (np.float32(row[3 * x + c]) - m) / s
                    else:
                        line[x] = row[3 * x + c]

    return split


@lru_cache
def packer(patch: int, merge: int, temporal_patch: int, still: bool, normalized: bool) -> Callable[..., None]:
    """A kernel from frames (T, H, W, 3) to blocks (gt, gh, gw, m, m, 3, pt, p, p).

    still: one frame, which fills all of its temporal patch.  The sizes are constants of the compiled code: copies
    of a patch's row become a few wide moves.
    """
    from numba import njit

    split = splitter(normalized)
    kind = np.float32 if normalized else np.uint8
    distinct = 1 if still else temporal_patch  # frames of a temporal patch
    high = patch * merge  # rows of a strip

    @njit(nogil=True, cache=True)
    def pack(frames, mean, std, blocks):
        strip = np.empty((distinct, 3, high, frames.shape[2]), kind)
        cells = strip.reshape(distinct, 3, merge, patch, -1, merge, patch)  # t c m p gw m p
        for gt in range(blocks.shape[0]):
            for gh in range(blocks.shape[1]):
                for t in range(distinct):
                    frame = min(gt * temporal_patch + t, len(frames) - 1)  # the last frame is repeated
                    split(frames[frame, gh * high : (gh + 1) * high], mean, std, strip[t])
                place(cells, blocks[gt, gh])

    @njit(nogil=True, cache=True)
    def place(cells, row):
        for gw in range(row.shape[0]):
            for my in range(merge):
                for mx in range(merge):
                    for c in range(3):
                        for t in range(temporal_patch):
                            for y in range(patch):
                                for x in range(patch):
                                    row[gw, my, mx, c, t, y, x] = cells[0 if still else t, c, my, y, gw, mx, x]

    return pack


@lru_cache
def band_powers() -> Callable[..., None]:
    """A kernel from a spectrum (frames, bins, 2) to the power in each mel band (n_mels, frames)."""
    from numba import njit

    @njit(nogil=True, cache=True)
    def bands(spectrum, edges, bank, mel):
        frames, bins, _ = spectrum.shape
        power = np.zeros((bins, LANES), np.float32)
        total = np.empty(LANES, np.float32)
        for start in range(0, frames, LANES):
            here = min(LANES, frames - start)
            for i in range(here):
                for k in range(bins):
                    power[k, i] = spectrum[start + i, k, 0] ** 2 + spectrum[start + i, k, 1] ** 2
            for m in range(len(edges)):
                total[:] = 0
                for k in range(edges[m, 0], edges[m, 1]):
                    weight, row = bank[m, k], power[k]
                    for i in range(LANES):
                        total[i] += weight * row[i]
                mel[m, start : start + here] = total[:here]

    return bands
