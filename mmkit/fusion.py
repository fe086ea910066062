"""Fusion: several modalities in one sequence, or in one space.

    features of an encoder -> project -> embeddings, as wide as the language model's
    embeddings of text + of items -> merge_embeddings -> one sequence      (token_owners: which token is whose?)
    sequences of unequal length -> pad_embeddings -> one tensor, mask, positions
    token kinds (text 0, image 1, video 2) and grids -> mrope_positions -> (3, L): time, row, column of each token
    text + memory -> cross_attention -> text that has looked               (the other way to fuse)
    one vector a picture, one a caption -> similarity -> info_nce, sigmoid_loss;  a vector a token -> max_sim

Follows LLaVA's and Qwen2-VL's projectors, vLLM's merge, Qwen2-VL's multimodal rotary position embedding (M-RoPE,
arXiv:2409.12191) with Qwen2.5-VL's time scale (arXiv:2502.13923), Whisper's cross-attention, CLIP (2103.00020),
SigLIP (2303.15343) and ColBERT (2004.12832); held to transformers and vLLM by tests/test_fusion.py.
Leaves out the rotation by the positions, which the model does, and everything that spreads over several devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.errors import InvalidArgument, PlaceholderMismatch

TEXT, IMAGE, VIDEO = 0, 1, 2  # transformers' mm_token_type_ids
Grid = Sequence[int]
Layer = Callable[[Tensor], Tensor]

# ---------------------------------------------------------------- one sequence


def project(features: Tensor, first: Layer, second: Layer, *, norm: Layer | None = None, group: int = 1) -> Tensor:
    """Features of an encoder to embeddings of the language model: norm, join neighbours, linear, GELU, linear.

    features: (N, width).  group: how many neighbours become one (Qwen2-VL: 4, a square of 2 x 2 patches, which its
    order of patches makes neighbours; LLaVA: 1, and no norm).
    Returns (N / group, width of the language model).

    >>> project(torch.ones(8, 3), torch.nn.Linear(12, 12), torch.nn.Linear(12, 5), group=4).shape
    torch.Size([2, 5])
    """
    if norm is not None:
        features = norm(features)  # N width
    joined = features.reshape(len(features) // group, group * features.shape[1])  # N/group group*width
    return second(F.gelu(first(joined)))  # N/group hidden


def merge_embeddings(text: Tensor, is_item: Tensor, items: Sequence[Tensor]) -> Tensor:
    """Put the items' embeddings where the placeholders stand, in their order.

    text: (L, hidden), embeddings of all tokens, placeholders too.  is_item: (L,) bool, which tokens receive one.
    items: (rows, hidden) each.  Returns (L, hidden), a new tensor.
    Raises PlaceholderMismatch unless rows and places are equally many, and equally wide.

    >>> merge_embeddings(torch.zeros(3, 1), torch.tensor([False, True, True]), [torch.tensor([[5.0], [6.0]])])
    tensor([[0.],
            [5.],
            [6.]])
    """
    rows, places = sum(map(len, items)), int(is_item.sum())
    if rows != places:
        raise PlaceholderMismatch(f"{rows} embeddings for {places} placeholders")
    for number, item in enumerate(items):
        if item.shape[1:] != text.shape[1:]:
            raise PlaceholderMismatch(
                f"embeddings {item.shape[-1]} wide in a text {text.shape[-1]} wide", index=number
            )
    merged = text.clone()
    if rows:
        merged[is_item] = torch.cat(list(items)).to(text.dtype)
    return merged  # L hidden


def token_owners(length: int, items: Sequence[tuple[int, Sequence[bool]]]) -> np.ndarray:
    """The inverse view of the merge: for each token, which item it belongs to, and which row of it it receives.

    items: for each, where it starts and which of its tokens receive an embedding (a prompts.Placeholder's start
    and embeds).  Returns (2, L) int64: the number of the item, -1 for text; and the number of the row, -1 where
    the token receives none (text, and marks around an item).

    >>> token_owners(6, [(1, (False, True, True, False))])
    array([[-1,  0,  0,  0,  0, -1],
           [-1, -1,  0,  1, -1, -1]])
    """
    owners = np.full((2, length), -1, np.int64)
    for number, (start, receives) in enumerate(items):
        embeds = np.array(receives, bool)
        owners[0, start : start + len(embeds)] = number
        owners[1, start : start + len(embeds)] = np.where(embeds, np.cumsum(embeds) - 1, -1)
    return owners


@dataclass(frozen=True)
class PaddedEmbeddings:
    """embeddings: (B, T, hidden), zero where padded; mask: (B, T) bool, True where real; positions: (B, T)."""

    embeddings: Tensor
    mask: Tensor
    positions: Tensor


def pad_embeddings(rows: Sequence[Tensor], *, side: Literal["left", "right"] = "right") -> PaddedEmbeddings:
    """Sequences of unequal length as one tensor, with a mask, and positions that do not count the padding.

    rows: (length, hidden) each.  side: "left" for generation with transformers, "right" for training.
    A model with learned positions (GPT-2, OPT) that gets a mask alone counts the padding, too, and answers
    otherwise; rotary positions are differences, and a shift does not change them.

    >>> pad_embeddings([torch.ones(3, 1), torch.ones(1, 1)], side="left").positions
    tensor([[0, 1, 2],
            [0, 0, 0]])
    """
    if side not in ("left", "right"):
        raise InvalidArgument(f"side is {side!r}; choose 'left' or 'right'")
    longest = max(map(len, rows))
    embeddings = rows[0].new_zeros(len(rows), longest, rows[0].shape[1])  # B T hidden
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)  # B T
    for number, row in enumerate(rows):
        real = slice(longest - len(row), longest) if side == "left" else slice(0, len(row))
        embeddings[number, real], mask[number, real] = row, True
    positions = (mask.cumsum(1) - 1).clamp(min=0)  # B T
    return PaddedEmbeddings(embeddings, mask, positions)


def cross_attention(
    text: Tensor,
    memory: Tensor,
    layers: tuple[Layer, Layer, Layer, Layer],
    *,
    heads: int,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Each token of the text looks at the rows of a memory: softmax(q k^T / sqrt(d)) v, in several heads.

    text: (L, width), asks; memory: (M, width), is looked at.  layers: the linear layers of queries, keys, values
    and output.  mask: (M,) bool, False where a row is padding.
    Returns what each token took, (L, width), and how it looked, (heads, L, M), where each row sums to 1.
    Source: Vaswani et al. (2017), equation 1.
    """
    query, key, value, out = layers
    q, k, v = (
        layer(x).unflatten(1, (heads, -1)).transpose(0, 1)  # heads L|M d
        for layer, x in ((query, text), (key, memory), (value, memory))
    )
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5  # heads L M
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(-1)
    return out((weights @ v).transpose(0, 1).flatten(1)), weights  # L width


# ---------------------------------------------------------------- one space


def similarity(left: Tensor, right: Tensor) -> Tensor:
    """Cosine of each vector with each: (N, D), (M, D) -> (N, M).

    >>> similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0], [-4.0, 3.0]]))
    tensor([[1., 0.]])
    """
    return F.normalize(left, dim=-1) @ F.normalize(right, dim=-1).T


def info_nce(cosines: Tensor, scale: float | Tensor) -> Tensor:
    """CLIP's loss: each picture picks its caption among N, each caption its picture; mean of both cross entropies.

    cosines: (N, N), row i and column i belong together.  scale: 1 / temperature (CLIP: exp(logit_scale) <= 100).

    >>> round(info_nce(torch.eye(2), 0.0).item(), 4)  # everything alike: a guess among two, ln 2
    0.6931
    """
    logits, right = scale * cosines, torch.arange(len(cosines))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def sigmoid_loss(cosines: Tensor, scale: float | Tensor, bias: float | Tensor) -> Tensor:
    """SigLIP's loss: for each of the N x N pairs by itself, do the two belong together? Sum of a row, mean of rows.

    cosines: (N, N).  scale, bias: learned; the bias is negative, since most pairs do not belong together.

    >>> round(sigmoid_loss(torch.eye(2), 0.0, 0.0).item(), 4)  # two pairs a row, each a toss: 2 ln 2
    1.3863
    """
    together = 2 * torch.eye(len(cosines)) - 1  # 1 on the diagonal, -1 elsewhere
    return -F.logsigmoid(together * (scale * cosines + bias)).sum(1).mean()


def max_sim(query: Tensor, document: Tensor) -> Tensor:
    """Late interaction: each token of the query takes its best match among the document's; the sum is the score.

    query: (L, D), document: (M, D), rows of length 1 (ColBERT, ColPali).  Returns a scalar, at most L.

    >>> max_sim(torch.eye(2), torch.eye(2)[:1])
    tensor(1.)
    """
    return (query @ document.T).max(1).values.sum()


# ---------------------------------------------------------------- positions


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
            grid = [int(side) for side in grid]  # a tensor's, too
            piece = grid_positions(here, grid, merge, interval)
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
