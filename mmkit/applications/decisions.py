"""Decisions: from a doubt between 0 and 1 to allow, review or act, at the least cost.

    doubts, truths -> curve -> thresholds, precision, recall
                   -> cheapest(costs) -> Thresholds -> decide(doubt)

Thresholds are chosen on cases whose truth is known, and measured on others. Leaves out costs that differ by case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Costs:
    """What one error costs, in any unit.

    missed: a fault that passed.  false_alarm: a good case acted upon.  review: a person looks at a case.
    """

    missed: float = 20.0
    false_alarm: float = 5.0
    review: float = 1.0


@dataclass(frozen=True)
class Thresholds:
    """Below `low` a case is allowed, from `high` on it is acted upon; a person looks at what lies between.

    >>> [Thresholds(0.2, 0.9).decide(doubt) for doubt in (0.1, 0.2, 0.9)]
    ['allow', 'review', 'act']
    """

    low: float = 0.5
    high: float = 0.5

    def decide(self, doubt: float) -> str:
        """ "allow", "review" or "act"."""
        return "allow" if doubt < self.low else "review" if doubt < self.high else "act"


EVEN = Thresholds()  # the likelier answer decides


def curve(doubts: Sequence[float], truths: Sequence[bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds, precision and recall if everything from the threshold on is called a fault.

    At threshold t: precision = faults from t on / cases from t on, recall = faults from t on / all faults.
    Returns three arrays, thresholds from high to low, one for each doubt that occurs.

    >>> [values.tolist() for values in curve([0.9, 0.8, 0.1], [True, False, True])]
    [[0.9, 0.8, 0.1], [1.0, 0.5, 0.6666666666666666], [0.5, 0.5, 1.0]]
    """
    doubt, truth = np.asarray(doubts, float), np.asarray(truths, bool)
    thresholds = np.unique(doubt)[::-1]
    called = doubt[None, :] >= thresholds[:, None]  # (thresholds, cases)
    found = (called & truth).sum(axis=1)
    return thresholds, found / called.sum(axis=1), found / max(1, truth.sum())


def cost(doubts: Sequence[float], truths: Sequence[bool], thresholds: Thresholds, costs: Costs) -> float:
    """What a case costs in the mean.

    >>> cost([0.1, 0.5, 0.9], [True, True, False], Thresholds(0.3, 0.7), Costs(20, 5, 1)) == (20 + 1 + 5) / 3
    True
    """
    doubt, truth = np.asarray(doubts, float), np.asarray(truths, bool)
    allowed, acted = doubt < thresholds.low, doubt >= thresholds.high
    total = costs.missed * (allowed & truth).sum() + costs.false_alarm * (acted & ~truth).sum()
    return float(total + costs.review * (~allowed & ~acted).sum()) / len(doubt)


def cheapest(doubts: Sequence[float], truths: Sequence[bool], costs: Costs) -> Thresholds:
    """The thresholds that would have cost least on these cases; of equal ones those that send most to a person.

    >>> cheapest([0.1, 0.4, 0.6, 0.9], [False, True, False, True], Costs())
    Thresholds(low=0.25, high=0.75)
    """
    seen = np.unique(np.asarray(doubts, float))
    between = [0.0, *((seen[1:] + seen[:-1]) / 2).tolist(), 1.1]  # 1.1: above every doubt
    pairs = [Thresholds(low, high) for low in between for high in between if low <= high]
    return min(pairs, key=lambda pair: (cost(doubts, truths, pair, costs), pair.low - pair.high))
