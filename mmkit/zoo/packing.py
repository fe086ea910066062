"""Packing: several questions about one item in one sequence, computed together, answered as if each stood alone.

    Row (prefix with Placeholders, branches) -> pack -> Packed (ids, positions, mask, targets)
    embeddings of the items + Packed -> answer_logits -> exact: is each answer what greedy decoding would say?

            prefix           branch 1       branch 2
    ids     look, [item]     Q1 A1          Q2 A2            positions restart behind the prefix in every branch;
    sees    itself           prefix, self   prefix, self     no branch sees another

One picture answers six questions for the price of one encoder pass and one prefix: that makes training on a single
core possible. Equal to transformers' own forward on each conversation alone (tests hold each model to it).
Follows Qwen2 and Qwen2-VL (M-RoPE positions). Leaves out sampling and caches: it scores given answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmkit.models.omni.towers import apply_rotary

Owner = tuple[int, int, int]  # (row, branch, turn) of a token to predict
Turn = tuple[list[int], bool | list[bool]]


@dataclass(frozen=True)
class Placeholder:
    """The place of one item in a prompt: its grid (t, gh, gw) in tokens, and the token that stands for it."""

    grid: tuple[int, int, int]
    token: int

    @property
    def length(self) -> int:
        return self.grid[0] * self.grid[1] * self.grid[2]


@dataclass
class Row:
    """One packed sequence: a prefix of token ids and Placeholders, then branches that share it.

    branches: turns as (ids, learn), a question (learn is False) before each answer (True, or token by token where a
    form forces some).
    items: for each Placeholder, which item's embeddings it takes, in order of appearance.
    """

    prefix: list[int | Placeholder]
    branches: Sequence[Sequence[Turn]]
    items: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Packed:
    """B rows padded to L tokens.  K: tokens to predict, V: tokens that items take."""

    ids: Tensor  # (B, L)
    positions: Tensor  # (3, B, L): time, height, width of M-RoPE; beside items of one row the last counts tokens
    mask: Tensor  # (B, 1, L, L) bool: may the token of a row look at that of a column?
    places: Tensor  # (V,) places in the flattened (B * L) that take an item's embedding
    sources: list[tuple[int, int]]  # (item, length) in the order of the places
    queries: Tensor  # (K,) places in (B * L) whose logits predict ...
    targets: Tensor  # (K,) ... these tokens
    owner: list[Owner]  # of each of the K


def pack(rows: Sequence[Row]) -> Packed:
    """Lay rows out as tensors: ids, M-RoPE positions, the branch mask and what is to be predicted.

    An item's tokens stand at (t, t + row, t + column); what follows it begins behind its longer side.

    >>> packed = pack([Row([7, Placeholder((1, 1, 2), 5)], [[([8], False), ([9, 2], True)], [([6], False)]], [0])])
    >>> packed.ids.tolist(), packed.positions[2].tolist()
    ([[7, 5, 5, 8, 9, 2, 6]], [[0, 1, 2, 3, 4, 5, 3]])
    >>> packed.queries.tolist(), packed.targets.tolist()  # the token before predicts the answer's first
    ([3, 4], [9, 2])
    """
    ids, positions, segments, labels = [], [], [], []
    places, sources, owner = [], [], []
    for number, row in enumerate(rows):
        r_ids: list[int] = []
        r_positions: list[tuple[int, int, int]] = []
        start, items = 0, iter(row.items)
        for piece in row.prefix:
            if isinstance(piece, Placeholder):
                t, h, w = piece.grid
                places += [(number, len(r_ids) + k) for k in range(piece.length)]
                sources.append((next(items), piece.length))
                r_ids += [piece.token] * piece.length
                r_positions += [
                    (start + i, start + j, start + k) for i in range(t) for j in range(h) for k in range(w)
                ]
                start += max(h, w)
            else:
                r_ids.append(piece)
                r_positions.append((start, start, start))
                start += 1
        r_segments, r_labels = [0] * len(r_ids), [-1] * len(r_ids)
        for branch, turns in enumerate(row.branches):
            at = start
            for turn, (tokens, learn) in enumerate(turns):
                own = [learn] * len(tokens) if isinstance(learn, bool) else learn
                # The token before predicts the first.
                r_labels[-1:] = [*(token if said else -1 for token, said in zip(tokens, own, strict=True)), -1]
                owner += [(number, branch, turn)] * sum(own)
                r_ids += tokens
                r_positions += [(at + k, at + k, at + k) for k in range(len(tokens))]
                r_segments += [1 + branch] * len(tokens)
                at += len(tokens)
        ids.append(r_ids)
        positions.append(r_positions)
        segments.append(r_segments)
        labels.append(r_labels)
    L = max(map(len, ids))
    segment = _padded(segments, -1, L)  # B L
    same = segment[:, :, None] == segment[:, None, :]
    shared = (segment[:, None, :] == 0) & (segment[:, :, None] >= 0)
    causal = torch.ones(L, L, dtype=torch.bool).tril()
    target = _padded(labels, -1, L).flatten()
    queries = (target >= 0).nonzero().squeeze(1)
    return Packed(
        ids=_padded(ids, 0, L),
        positions=_padded(positions, (0, 0, 0), L).permute(2, 0, 1).contiguous(),  # 3 B L
        mask=((same | shared) & causal)[:, None],  # B 1 L L; padding looks at padding only
        places=torch.tensor([row * L + place for row, place in places], dtype=torch.long),
        sources=sources,
        queries=queries,
        targets=target[queries],
        owner=owner,
    )


def _padded(rows: Sequence[list], fill: Any, length: int) -> Tensor:
    """Rows of unequal length as one tensor (B, length, ...)."""
    return torch.from_numpy(np.array([row + [fill] * (length - len(row)) for row in rows], np.int64))


def answer_logits(
    decoder: Any,
    head: Callable[[Tensor], Tensor],
    items: Sequence[Tensor] | Mapping[int, Tensor],
    packed: Packed,
    positions: Tensor,
) -> Tensor:
    """Logits (K, vocabulary) of the tokens to predict.

    decoder: a Qwen2 or Qwen2-VL text model of transformers.  head: hidden states to logits.
    items: embeddings (tokens, hidden) of each item.  positions: packed.positions, or one axis of it.
    """
    x = decoder.embed_tokens(packed.ids)
    B, L, D = x.shape
    features = torch.cat([items[item] for item, _ in packed.sources])  # V D
    x = x.reshape(B * L, D).index_copy(0, packed.places, features).view(B, L, D)
    hidden = decode(decoder, x, positions, packed.mask).flatten(0, 1)
    return head(hidden[packed.queries])


def decode(decoder: Any, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
    """The layers of a Qwen2 decoder over embeddings x (B, L, hidden); returns its last hidden states, same shape.

    positions: (B, L), or (3, B, L) for M-RoPE.  mask: (B, 1, L, L), may the token of a row look at a column's?
    """
    eps = decoder.norm.variance_epsilon
    B, L, D = x.shape
    cos, sin = (angle[:, None] for angle in decoder.rotary_emb(x, positions))
    for layer in decoder.layers:
        attention = layer.self_attn
        h = F.rms_norm(x, (D,), layer.input_layernorm.weight, eps)
        q, k, v = (
            project(h).view(B, L, -1, attention.head_dim).transpose(1, 2)  # B heads L head_dim
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = apply_rotary(q, cos, sin), apply_rotary(k, cos, sin)
        groups = attention.num_key_value_groups
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = attend(q, k, v, mask)
        x = x + attention.o_proj(y.transpose(1, 2).reshape(B, L, -1))
        h = F.rms_norm(x, (D,), layer.post_attention_layernorm.weight, eps)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))
    return F.rms_norm(x, (D,), decoder.norm.weight, eps)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(head_dim)) v, for q, k, v (B, heads, L, head_dim); mask: may a row look at a column?

    Under autocast to bfloat16 it is written out: on a CPU torch's fused function trains half as fast there.
    """
    if not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    with torch.autocast("cpu", enabled=False):  # it would take the softmax back to float32
        q, k, v = q.bfloat16(), k.bfloat16(), v.bfloat16()
        scores = (q * q.shape[-1] ** -0.5) @ k.mT  # B heads L L
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(-1) @ v


def answer_loss(logits: Tensor, packed: Packed) -> Tensor:
    """Cross entropy of the answers' tokens, each weighed by 1 / sqrt(tokens of its answer): captions do not drown
    words."""
    length = Counter(packed.owner)
    weight = torch.tensor([length[answer] ** -0.5 for answer in packed.owner])
    each = F.cross_entropy(logits.float(), packed.targets, reduction="none")
    return (each * weight).sum() / weight.sum()


def exact(logits: Tensor, packed: Packed) -> dict[Owner, bool]:
    """For each answer (row, branch, turn): would greedy decoding say it to the letter?"""
    right: dict[Owner, bool] = {}
    for owner, good in zip(packed.owner, (logits.argmax(-1) == packed.targets).tolist(), strict=True):
        right[owner] = right.get(owner, True) and good
    return right
