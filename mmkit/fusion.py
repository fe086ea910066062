"""Fusion: several modalities in one sequence.

    token kinds (text 0, image 1, video 2) and grids -> mrope_positions -> (3, L): time, row, column of each token

Follows Qwen2-VL's multimodal rotary position embedding (M-RoPE, arXiv:2409.12191) and Qwen2.5-VL's time scale
(arXiv:2502.13923); equals transformers' `get_rope_index` and vLLM's `get_mrope_input_positions`.
Leaves out the rotation itself, which the model does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal

import numpy as np

from mmkit.errors import PlaceholderMismatch

TEXT, IMAGE, VIDEO = 0, 1, 2  # transformers' mm_token_type_ids
Grid = Sequence[int]


def grid_positions(start: int, grid: Grid, merge: int = 2, interval: float = 1.0) -> np.ndarray:
    """(time, row, column) of each token of one picture or clip, all counted from `start`.

    grid: (gt, gh, gw) in patches.  interval: how far the time moves on from one temporal patch to the next.
    Returns (3, gt * gh/merge * gw/merge) int64.

    >>> grid_positions(5, (2, 2, 4))
    array([[5, 5, 6, 6],
           [5, 5, 5, 5],
           [5, 6, 5, 6]])
    """
    gt, gh, gw = grid[0], grid[1] // merge, grid[2] // merge
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    time = (time.astype(np.float32) * np.float32(interval)).astype(np.int64)  # cut off, as the libraries do
    return np.stack([time, row, column]) + start


def mrope_positions(
    kinds: Sequence[int],
    image_grids: Iterable[Grid] = (),
    video_grids: Iterable[Grid] = (),
    *,
    merge: int = 2,
    intervals: Iterable[float] | None = None,
    rule: Literal["vllm", "transformers"] = "vllm",
) -> tuple[np.ndarray, int]:
    """The three positions of every token of one prompt, and by how much they run ahead of its length.

    kinds: (L,) 0 for text, 1 for a token of an image, 2 for one of a video.  image_grids, video_grids:
    (gt, gh, gw) in patches, in order of appearance.  intervals: one a video; Qwen2-VL: 1 (the default);
    Qwen2.5-VL: tokens_per_second * seconds per temporal patch.  Qwen3-VL writes times as text and gives each
    temporal patch a grid of its own, (1, gh, gw).

    Text counts on by one, the same number three times.  An item lies in space and time from where it starts.
    What comes after it starts
      "vllm"          one behind the largest number so far (the paper's rule)
      "transformers"  as far on as the item is high or wide, however long it is (version 5.19)
    which differ where a clip has more temporal patches than its longer side has tokens.
    Returns positions (3, L) int64 and delta: the next token stands at L + delta.
    Raises PlaceholderMismatch where kinds and grids do not fit.

    >>> positions, delta = mrope_positions([0, 1, 1, 1, 1, 0, 0], image_grids=[(1, 4, 4)])
    >>> positions
    array([[0, 1, 1, 1, 1, 3, 4],
           [0, 1, 1, 2, 2, 3, 4],
           [0, 1, 2, 1, 2, 3, 4]])
    >>> delta
    -2
    """
    grids = {IMAGE: iter(image_grids), VIDEO: iter(video_grids)}
    steps = iter(intervals) if intervals is not None else None
    pieces: list[np.ndarray] = []
    here = 0
    for kind, length in _spans(kinds):
        if kind == TEXT:
            pieces.append(np.broadcast_to(here + np.arange(length), (3, length)))
            here += length
            continue
        while length > 0:  # items that stand side by side
            grid = next(grids[kind], None)
            if grid is None:
                raise PlaceholderMismatch(f"{length} {NAMES[kind]} tokens without a grid")
            interval = next(steps, 1.0) if kind == VIDEO and steps is not None else 1.0
            piece = grid_positions(here, [int(side) for side in grid], merge, interval)
            pieces.append(piece)
            length -= piece.shape[1]
            here = int(piece.max()) + 1 if rule == "vllm" else here + max(grid[1], grid[2]) // merge
        if length:
            raise PlaceholderMismatch(f"a {NAMES[kind]}'s grid has {-length} tokens more than the prompt")
    for kind, left in grids.items():
        if next(left, None) is not None:
            raise PlaceholderMismatch(f"more {NAMES[kind]} grids than {NAMES[kind]}s in the prompt")
    positions = np.concatenate(pieces, axis=1) if pieces else np.zeros((3, 0), dtype=np.int64)
    return positions, int(positions.max(initial=-1)) + 1 - positions.shape[1]


NAMES = {IMAGE: "image", VIDEO: "video"}


def _spans(kinds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of one kind: (kind, how many)."""
    for kind, run in groupby(int(kind) for kind in kinds):
        if kind not in (TEXT, IMAGE, VIDEO):
            raise PlaceholderMismatch(f"kind {kind}; 0 is text, 1 an image, 2 a video")
        yield kind, sum(1 for _ in run)
