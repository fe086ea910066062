"""A batched forward over the parameters of a Qwen2VLForConditionalGeneration, equal to transformers' own.

    pictures -> resize_like_processor -> patchify -> patches, one row a picture
    Row (turns, pictures, branches) -> pack -> Packed (ids, positions, mask, labels)
    QwenForward(patches, packed) -> logits of the answers' tokens

transformers' forward runs the vision tower image by image and wants one sequence for one question. Here a
batch of equal grids goes through the tower at once, and several questions share the tokens of one image: each
is a branch that sees the prefix and itself, its positions restart behind the prefix. Same numbers, a fraction
of the time on one CPU core; tests hold it against transformers.
Leaves out sampling and caches: it scores given answers (an answer is what greedy decoding would say exactly
if each of its tokens has the highest logit).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.zoo.vision.model import MAX_PIXELS, MIN_PIXELS

PATCH, MERGE = 14, 2
MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073)) * 255
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711)) * 255


def resized(height: int, width: int) -> tuple[int, int]:
    """The size (height, width) in pixels at which the model sees an image: multiples of 28."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    return smart_resize(height, width, PATCH * MERGE, MIN_PIXELS, MAX_PIXELS)


def patchify(pictures: np.ndarray, temporal: int = 1) -> tuple[Tensor, tuple[int, int]]:
    """Pictures of one size to normalised patches, as the model's processor does.

    pictures: (N, H, W, 3) uint8; temporal: pictures in one patch (1 for images, 2 for frames of a clip).
    Returns (N / temporal, gh * gw, 3 * temporal * 14 * 14) float32, merge blocks consecutive, and (gh, gw).
    """
    from torchvision.transforms.v2 import functional as tv

    x = torch.from_numpy(pictures).permute(0, 3, 1, 2)  # N 3 H W
    size = resized(*x.shape[-2:])
    if size != tuple(x.shape[-2:]):
        x = tv.resize(x, list(size), interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
    x = (x.float() - MEAN[:, None, None]) / STD[:, None, None]
    gh, gw = size[0] // PATCH, size[1] // PATCH
    x = x.reshape(-1, temporal, 3, gh // MERGE, MERGE, PATCH, gw // MERGE, MERGE, PATCH)
    x = x.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)  # N gh gw m m C t p p: merge blocks become neighbours
    return x.reshape(x.shape[0], gh * gw, 3 * temporal * PATCH * PATCH), (gh, gw)


@dataclass(frozen=True)
class Vision:
    """The place of one image or clip in a prompt: its grid (t, gh, gw) in merged tokens."""

    grid: tuple[int, int, int]
    token: int  # id of the placeholder

    @property
    def length(self) -> int:
        return self.grid[0] * self.grid[1] * self.grid[2]


@dataclass
class Row:
    """One packed sequence: a prefix of token ids and Vision, then branches of (ids, learn) that share it."""

    prefix: list[int | Vision]
    branches: list[list[tuple[list[int], bool]]]
    visions: list[int] = field(default_factory=list)  # which block of vision features, in order of appearance


@dataclass(frozen=True)
class Packed:
    """B rows padded to L tokens.  K: tokens to predict, V: vision tokens."""

    ids: Tensor  # (B, L)
    positions: Tensor  # (3, B, L): time, height, width of M-RoPE
    mask: Tensor  # (B, 1, L, L) bool: who may look at whom
    slots: Tensor  # (V,) places in the flattened (B * L) that take a vision feature
    sources: list[tuple[int, int]]  # (block of features, length) in the order of the slots
    queries: Tensor  # (K,) places in (B * L) whose logits predict ...
    targets: Tensor  # (K,) ... these tokens
    owner: list[tuple[int, int, int]]  # (row, branch, turn) of each of the K


def pack(rows: list[Row]) -> Packed:
    """Lay rows out as tensors: ids, M-RoPE positions, the branch mask and what is to be predicted."""
    ids, positions, segments, labels, owners, slots, sources = [], [], [], [], [], [], []
    for number, row in enumerate(rows):
        r_ids, r_pos, r_seg, r_lab = [], [], [], []
        start = 0
        seen = iter(row.visions)
        for piece in row.prefix:
            if isinstance(piece, Vision):
                t, h, w = piece.grid
                slots += [(number, len(r_ids) + k) for k in range(piece.length)]
                sources.append((next(seen), piece.length))
                r_ids += [piece.token] * piece.length
                r_pos += [(start + i, start + j, start + k) for i in range(t) for j in range(h) for k in range(w)]
                start += max(h, w)
            else:
                r_ids.append(piece)
                r_pos.append((start, start, start))
                start += 1
        r_seg = [0] * len(r_ids)
        r_lab = [(-1, 0, 0)] * len(r_ids)
        for branch, turns in enumerate(row.branches, 1):
            at = start
            for turn, (tokens, learn) in enumerate(turns):
                if learn:  # the token before predicts the first
                    r_lab[-1] = (tokens[0], branch - 1, turn)
                    r_lab += [(token, branch - 1, turn) for token in tokens[1:]] + [(-1, 0, 0)]
                else:
                    r_lab += [(-1, 0, 0)] * len(tokens)
                r_ids += tokens
                r_pos += [(at + k,) * 3 for k in range(len(tokens))]
                r_seg += [branch] * len(tokens)
                at += len(tokens)
        ids.append(r_ids)
        positions.append(r_pos)
        segments.append(r_seg)
        labels.append([label[0] for label in r_lab])
        owners += [(number, branch, turn) for label, branch, turn in r_lab if label >= 0]
    B, L = len(rows), max(map(len, ids))
    padded = np.zeros((B, L), np.int64)
    places = np.zeros((B, L, 3), np.int64)
    segment = np.full((B, L), -1, np.int64)
    target = np.full((B, L), -1, np.int64)
    for b in range(B):
        n = len(ids[b])
        padded[b, :n], places[b, :n], segment[b, :n], target[b, :n] = (
            ids[b], positions[b], segments[b], labels[b])  # fmt: skip
    seg = torch.from_numpy(segment)
    same = seg[:, :, None] == seg[:, None, :]
    shared = (seg[:, None, :] == 0) & (seg[:, :, None] >= 0)
    causal = torch.ones(L, L, dtype=torch.bool).tril()
    mask = ((same | shared) & causal)[:, None]  # B 1 L L; padding looks at padding only
    flat = torch.from_numpy(target).flatten()
    queries = (flat >= 0).nonzero().squeeze(1)
    return Packed(
        ids=torch.from_numpy(padded),
        positions=torch.from_numpy(places).permute(2, 0, 1).contiguous(),
        mask=mask,
        slots=torch.tensor([row * L + place for row, place in slots], dtype=torch.long),
        sources=sources,
        queries=queries,
        targets=flat[queries],
        owner=owners,
    )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class QwenForward(nn.Module):
    """The forward of a Qwen2VLForConditionalGeneration (`model`), on its own parameters."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self._angles: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def angles(self, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """cos and sin (gh * gw, head_dim) of the vision tower's rotary embedding for a grid of patches."""
        if grid not in self._angles:
            from transformers.vision_utils import get_vision_position_ids

            places = get_vision_position_ids(torch.tensor([[1, *grid]]), MERGE)
            self._angles[grid] = self.model.model.visual.rotary_pos_emb(torch.zeros(1), places)
        return self._angles[grid]

    def vision(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """Patches (N, gh * gw, values) of one grid to features (N, gh * gw / 4, hidden).

        An image's two frames are equal, so its patches come once and the two halves of the filter are added.
        """
        tower = self.model.model.visual
        weight = tower.patch_embed.proj.weight  # E 3 2 14 14
        single = patches.shape[-1] == 3 * PATCH * PATCH
        x = F.linear(patches, (weight.sum(2) if single else weight).flatten(1))
        N, P, E = x.shape
        heads = tower.blocks[0].attn.num_heads
        cos, sin = self.angles(grid)
        for block in tower.blocks:
            qkv = block.attn.qkv(block.norm1(x)).view(N, P, 3, heads, E // heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # N heads P head_dim
            y = F.scaled_dot_product_attention(_rotate(q, cos, sin), _rotate(k, cos, sin), v)
            x = x + block.attn.proj(y.transpose(1, 2).reshape(N, P, E))
            x = x + block.mlp(block.norm2(x))
        return tower.merger(x.reshape(-1, E)).view(N, P // MERGE**2, -1)

    def text(self, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, L, hidden) to the decoder's last hidden states, same shape."""
        decoder = self.model.model.language_model
        eps = decoder.norm.variance_epsilon
        B, L, D = x.shape
        cos, sin = (angle[:, None] for angle in decoder.rotary_emb(x, positions))
        for layer in decoder.layers:
            attention = layer.self_attn
            h = F.rms_norm(x, (D,), layer.input_layernorm.weight, eps)
            q, k, v = (
                project(h).view(B, L, -1, attention.head_dim).transpose(1, 2)
                for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            groups = attention.num_key_value_groups
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + attention.o_proj(y.transpose(1, 2).reshape(B, L, -1))
            h = F.rms_norm(x, (D,), layer.post_attention_layernorm.weight, eps)
            x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))
        return F.rms_norm(x, (D,), decoder.norm.weight, eps)

    def forward(self, blocks: list[Tensor], packed: Packed) -> Tensor:
        """Logits (K, vocabulary) of the tokens to predict.

        blocks: vision features (tokens, hidden) of each image or clip; rows refer to them by number.
        """
        x = self.model.model.language_model.embed_tokens(packed.ids)
        B, L, D = x.shape
        features = torch.cat([blocks[number] for number, _ in packed.sources])
        x = x.reshape(B * L, D).index_copy(0, packed.slots, features).view(B, L, D)
        hidden = self.text(x, packed.positions, packed.mask).flatten(0, 1)
        return self.model.lm_head(hidden[packed.queries])


def exact(logits: Tensor, packed: Packed) -> dict[tuple[int, int, int], bool]:
    """For each answer (row, branch, turn): would greedy decoding say it to the letter?"""
    right: dict[tuple[int, int, int], bool] = {}
    for owner, good in zip(packed.owner, (logits.argmax(-1) == packed.targets).tolist(), strict=True):
        right[owner] = right.get(owner, True) and good
    return right
