"""Packed questions: each branch sees its prefix and itself, and predicts its own answer.

Oracle: a naive reading of each conversation alone.
"""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from mmkit.zoo.packing import Packed, Placeholder, Row, answer_loss, exact, pack

IDS = st.integers(7, 500)


@st.composite
def rows(draw) -> list[Row]:
    found = []
    for item in range(draw(st.integers(1, 3))):
        before, after = draw(st.lists(IDS, max_size=3)), draw(st.lists(IDS, max_size=3))
        piece = st.lists(IDS, min_size=1, max_size=3)
        turn = st.tuples(st.tuples(piece, st.just(False)), st.tuples(piece, st.just(True)))
        branches = [
            [part for one in turns for part in one]
            for turns in draw(st.lists(st.lists(turn, min_size=1, max_size=2), min_size=1, max_size=3))
        ]
        grid = draw(st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)))
        found.append(Row([*before, Placeholder(grid, 5), *after], branches, [item]))
    return found


def places(row: Row) -> list[tuple[int, int, int]]:
    """M-RoPE positions of a prefix, one piece after the other."""
    laid, start = [], 0
    for piece in row.prefix:
        if isinstance(piece, Placeholder):
            t, h, w = piece.grid
            laid += [(start + i, start + j, start + k) for i in range(t) for j in range(h) for k in range(w)]
            start += max(h, w)
        else:
            laid.append((start,) * 3)
            start += 1
    return [*laid, (start,) * 3]  # the last: where a branch begins


@given(rows())
def test_a_branch_sees_what_it_would_see_alone(found):
    packed = pack(found)
    for r, row in enumerate(found):
        prefix = [
            token
            for piece in row.prefix
            for token in ([5] * piece.length if isinstance(piece, Placeholder) else [piece])
        ]
        *before, start = places(row)
        offset = len(prefix)
        for b, branch in enumerate(row.branches):
            alone = [token for tokens, _ in branch for token in tokens]
            positions = [*before, *[tuple(axis + k for axis in start) for k in range(len(alone))]]
            for k in range(len(alone)):
                seen = packed.mask[r, 0, offset + k]
                assert packed.ids[r][seen].tolist() == prefix + alone[: k + 1]
                assert packed.positions[:, r, seen].T.tolist() == [
                    list(p) for p in positions[: len(prefix) + k + 1]
                ]
            mine = [i for i, owner in enumerate(packed.owner) if owner[:2] == (r, b)]
            assert packed.targets[mine].tolist() == [t for tokens, learn in branch if learn for t in tokens]
            answers = [k for k, learn in enumerate(learn for tokens, learn in branch for _ in tokens) if learn]
            first = r * packed.ids.shape[1] + offset
            assert packed.queries[mine].tolist() == [first + k - 1 for k in answers]
            offset += len(alone)
    assert [length for _, length in packed.sources] == [
        piece.length for row in found for piece in row.prefix if isinstance(piece, Placeholder)
    ]
    assert (packed.ids.flatten()[packed.places] == 5).all()


def judged(*owner) -> Packed:
    empty = torch.zeros(0)
    return Packed(empty, empty, empty, empty, [], empty, torch.tensor([1, 2, 0]), list(owner))


def test_exact_wants_every_token():
    logits = torch.eye(3)[torch.tensor([1, 0, 0])]
    assert exact(logits, judged((0, 0, 1), (0, 0, 1), (0, 1, 1))) == {(0, 0, 1): False, (0, 1, 1): True}


def test_a_long_answer_does_not_drown_a_short_one():
    """By hand: two tokens of one answer weigh 1 / sqrt(2) each, the other answer's only token 1."""
    logits = torch.zeros(3, 3)
    logits[2, 0] = 1.0  # the short answer's token is likelier
    each = -logits.log_softmax(-1)[[0, 1, 2], [1, 2, 0]]
    by_hand = (each[0] * 2**-0.5 + each[1] * 2**-0.5 + each[2]) / (2 * 2**-0.5 + 1)
    ours = answer_loss(logits, judged((0, 0, 1), (0, 0, 1), (0, 1, 1)))
    torch.testing.assert_close(ours, by_hand)
