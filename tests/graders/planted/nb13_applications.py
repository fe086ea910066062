"""Planted answers to the exercises of 13_applications."""

from collections import Counter

import numpy as np

from . import right, wrong


@wrong("precision_and_recall")
def above_the_threshold(doubts, truths, threshold):
    called = [d > threshold for d in doubts]
    found = sum(c and t for c, t in zip(called, truths, strict=True))
    return found / sum(called) if any(called) else 1.0, found / sum(truths) if any(truths) else 1.0


@wrong("precision_and_recall")
def recall_first(doubts, truths, threshold):
    return precision_by_sets(doubts, truths, threshold)[::-1]


@wrong("precision_and_recall")
def zero_where_nothing_is_called(doubts, truths, threshold):
    called = [d >= threshold for d in doubts]
    found = sum(c and t for c, t in zip(called, truths, strict=True))
    return found / max(1, sum(called)), found / sum(truths) if any(truths) else 1.0


@wrong("precision_and_recall")
def zero_where_no_fault_is(doubts, truths, threshold):
    called = [d >= threshold for d in doubts]
    found = sum(c and t for c, t in zip(called, truths, strict=True))
    return found / sum(called) if any(called) else 1.0, found / max(1, sum(truths))


@wrong("precision_and_recall")
def accuracy_for_precision(doubts, truths, threshold):
    hits = [(d >= threshold) == t for d, t in zip(doubts, truths, strict=True)]
    return sum(hits) / max(1, len(hits)), precision_by_sets(doubts, truths, threshold)[1]


@wrong("precision_and_recall")
def share_called(doubts, truths, threshold):
    called = sum(d >= threshold for d in doubts)
    return precision_by_sets(doubts, truths, threshold)[0], called / sum(truths) if any(truths) else 1.0


@right("precision_and_recall")
def precision_by_sets(doubts, truths, threshold):
    called = {n for n, d in enumerate(doubts) if d >= threshold}
    faults = {n for n, t in enumerate(truths) if t}
    both = len(called & faults)
    return both / len(called) if called else 1.0, both / len(faults) if faults else 1.0


@right("precision_and_recall")
def precision_by_numpy(doubts, truths, threshold):
    called, faults = np.array(doubts, float) >= threshold, np.array(truths, bool)
    found = (called & faults).sum()
    return (found / called.sum() if called.any() else 1.0), (found / faults.sum() if faults.any() else 1.0)


@right("precision_and_recall")
def precision_by_counting(doubts, truths, threshold):
    pairs = Counter((d >= threshold, bool(t)) for d, t in zip(doubts, truths, strict=True))
    hit, false, lost = pairs[True, True], pairs[True, False], pairs[False, True]
    return [hit / (hit + false) if hit + false else 1.0, hit / (hit + lost) if hit + lost else 1.0]


@wrong("least_cost")
def at_one_half(doubts, truths, missed, false_alarm):
    return sum(missed if t else false_alarm for d, t in zip(doubts, truths, strict=True) if (d >= 0.5) != t)


@wrong("least_cost")
def never_allows_everything(doubts, truths, missed, false_alarm):
    return min((_total(doubts, truths, t, missed, false_alarm) for t in doubts), default=0)


@wrong("least_cost")
def acts_above_only(doubts, truths, missed, false_alarm):
    def total(limit):
        return sum(missed for d, t in zip(doubts, truths, strict=True) if t and d <= limit) + sum(
            false_alarm for d, t in zip(doubts, truths, strict=True) if not t and d > limit
        )

    return min(map(total, [*doubts, 1.0]))  # 0 is among them only where a doubt is 0


@wrong("least_cost")
def prices_exchanged(doubts, truths, missed, false_alarm):
    return least_by_sorting(doubts, truths, false_alarm, missed)


@wrong("least_cost")
def number_of_errors(doubts, truths, missed, false_alarm):
    return least_by_sorting(doubts, truths, 1, 1)


@wrong("least_cost")
def mean_cost(doubts, truths, missed, false_alarm):
    return least_by_sorting(doubts, truths, missed, false_alarm) / max(1, len(doubts))


def _total(doubts, truths, threshold, missed, false_alarm):
    return sum(
        missed * (t and d < threshold) + false_alarm * (not t and d >= threshold)
        for d, t in zip(doubts, truths, strict=True)
    )


@right("least_cost")
def least_by_all_thresholds(doubts, truths, missed, false_alarm):
    return min(_total(doubts, truths, limit, missed, false_alarm) for limit in {*doubts, 2.0})


@right("least_cost")
def least_by_sorting(doubts, truths, missed, false_alarm):
    cost = sum(missed for t in truths if t)  # all allowed
    best = cost
    for limit in sorted(set(doubts), reverse=True):
        for d, t in zip(doubts, truths, strict=True):
            if d == limit:
                cost += -missed if t else false_alarm
        best = min(best, cost)
    return best


@right("least_cost")
def least_by_numpy(doubts, truths, missed, false_alarm):
    d, t = np.array(doubts, float), np.array(truths, bool)
    limits = np.r_[d, np.inf]
    below = d[None] < limits[:, None]
    return float((missed * (below & t) + false_alarm * (~below & ~t)).sum(axis=1).min())


@wrong("odd_one_out")
def none_agrees_with_none(stated):
    counts = Counter(stated.values())
    if len(counts) == 1:
        return ""
    return "all" if len(counts) == 3 else next(n for n, v in stated.items() if counts[v] == 1)


@wrong("odd_one_out")
def skips_what_was_not_read(stated):
    read = {n: v for n, v in stated.items() if v is not None}
    return "" if len(set(read.values())) <= 1 else odd_by_counts(stated)


@wrong("odd_one_out")
def says_what_is_stated(stated):
    name = odd_by_counts(stated)
    return stated.get(name, name)


@wrong("odd_one_out")
def always_names_one(stated):
    name = odd_by_counts(stated)
    return next(iter(stated)) if name == "all" else name


@wrong("odd_one_out")
def empty_is_not_read(stated):
    return odd_by_counts({n: v or None for n, v in stated.items()})


@wrong("odd_one_out")
def says_none_where_all_agree(stated):
    return odd_by_counts(stated) or None


@right("odd_one_out")
def odd_by_counts(stated):
    counts = Counter(v for v in stated.values() if v is not None)
    common = [v for v, n in counts.items() if n > 1]
    if not common:
        return "all"
    return next((n for n, v in stated.items() if v != common[0]), "")


@right("odd_one_out")
def odd_by_cases(stated):
    (a, x), (b, y), (c, z) = stated.items()

    def same(p, q):
        return p is not None and p == q

    if same(x, y):
        return "" if same(y, z) else c
    if same(y, z):
        return a
    return b if same(x, z) else "all"


@right("odd_one_out")
def odd_by_pairs(stated):
    out = []
    for name in stated:
        others = [v for n, v in stated.items() if n != name]
        if others[0] is not None and others[0] == others[1]:
            out.append(name)
    if len(out) == 3:
        return ""
    return out[0] if out else "all"
