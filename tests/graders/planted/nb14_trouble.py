"""Planted answers to the exercises of 14_troubleshooting."""

import re

import numpy as np

from . import right, wrong

RUNGS = ["decode", "resize", "features", "tokens"]


@wrong("wrong_places")
def places_that_lack(prompt, items):
    return {m: (prompt.count(m), n) for m, n in items.items() if prompt.count(m) < n}


@wrong("wrong_places")
def places_the_other_way(prompt, items):
    return {m: (n, prompt.count(m)) for m, n in items.items() if prompt.count(m) != n}


@wrong("wrong_places")
def places_by_total(prompt, items):
    return {} if sum(prompt.count(m) for m in items) == sum(items.values()) else wrong_of(prompt, items)


@wrong("wrong_places")
def places_present_or_not(prompt, items):
    return {m: (int(m in prompt), n) for m, n in items.items() if (m in prompt) != bool(n)}


@wrong("wrong_places")
def places_by_pattern(prompt, items):
    return {m: (len(re.findall(m, prompt)), n) for m, n in items.items() if len(re.findall(m, prompt)) != n}


def wrong_of(prompt, items):
    return {m: (prompt.count(m), n) for m, n in items.items() if prompt.count(m) != n}


@right("wrong_places")
def places_by_split(prompt, items):
    result = {}
    for mark, number in items.items():
        found = len(prompt.split(mark)) - 1
        if found != number:
            result[mark] = (found, number)
    return result


@right("wrong_places")
def places_as_lists(prompt, items):
    return {m: [len(re.findall(re.escape(m), prompt)), n] for m, n in items.items() if prompt.count(m) != n}


@right("wrong_places")
def places_by_steps(prompt, items):
    result = {}
    for mark in items:
        found, at = 0, prompt.find(mark)
        while at >= 0:
            found, at = found + 1, prompt.find(mark, at + len(mark))
        if found != items[mark]:
            result[mark] = (found, items[mark])
    return result


def _unlike(a, b, tolerance):
    return len(a) != len(b) or any(abs(x - y) > tolerance for x, y in zip(a, b, strict=True))


@wrong("first_difference")
def difference_in_its_own_order(one, other, tolerance):
    return next((r for r in one if r in other and _unlike(one[r], other[r], tolerance)), "nothing")


@wrong("first_difference")
def difference_last(one, other, tolerance):
    found = [r for r in RUNGS if r in one and r in other and _unlike(one[r], other[r], tolerance)]
    return found[-1] if found else "nothing"


@wrong("first_difference")
def difference_exact(one, other, tolerance):
    return next((r for r in RUNGS if r in one and r in other and one[r] != other[r]), "nothing")


@wrong("first_difference")
def difference_of_the_common_part(one, other, tolerance):
    for r in RUNGS:
        if r in one and r in other and any(abs(a - b) > tolerance for a, b in zip(one[r], other[r], strict=False)):
            return r
    return "nothing"


@wrong("first_difference")
def difference_with_missing(one, other, tolerance):
    return next((r for r in RUNGS if _unlike(one.get(r, []), other.get(r, []), tolerance)), "nothing")


@wrong("first_difference")
def difference_of_sums(one, other, tolerance):
    return next(
        (r for r in RUNGS if r in one and r in other and abs(sum(one[r]) - sum(other[r])) > tolerance), "nothing"
    )


@right("first_difference")
def difference_by_arrays(one, other, tolerance):
    for rung in RUNGS:
        if rung in one and rung in other:
            a, b = np.array(one[rung], float), np.array(other[rung], float)
            if a.shape != b.shape or (abs(a - b) > tolerance).any():
                return rung
    return "nothing"


@right("first_difference")
def difference_by_sets(one, other, tolerance):
    found = {r for r in set(one) & set(other) if _unlike(one[r], other[r], tolerance)}
    return min(found, key=RUNGS.index, default="nothing")


@right("first_difference")
def difference_by_break(one, other, tolerance):
    answer = "nothing"
    for rung in reversed(RUNGS):
        a, b = one.get(rung), other.get(rung)
        if a is not None and b is not None and not (len(a) == len(b) and np.allclose(a, b, rtol=0, atol=tolerance)):
            answer = rung
    return answer


@wrong("tokens_in_cache")
def cache_of_keys_alone(memory, layers, heads, width, number, block):
    return memory // (layers * heads * width * number * block) * block


@wrong("tokens_in_cache")
def cache_without_blocks(memory, layers, heads, width, number, block):
    return memory // (2 * layers * heads * width * number)


@wrong("tokens_in_cache")
def cache_in_blocks(memory, layers, heads, width, number, block):
    return memory // (2 * layers * heads * width * number * block)


@wrong("tokens_in_cache")
def cache_rounded(memory, layers, heads, width, number, block):
    return round(memory / (2 * layers * heads * width * number * block)) * block


@wrong("tokens_in_cache")
def cache_in_single_precision(memory, layers, heads, width, number, block):
    return memory // (2 * layers * heads * width * 4 * block) * block


@right("tokens_in_cache")
def cache_step_by_step(memory, layers, heads, width, number, block):
    a_token = 2 * layers * heads * width * number
    blocks = memory // (a_token * block)
    return blocks * block


@right("tokens_in_cache")
def cache_by_remainder(memory, layers, heads, width, number, block):
    a_block = layers * heads * width * number * block * 2
    return (memory - memory % a_block) // a_block * block


@right("tokens_in_cache")
def cache_by_divmod(memory, layers, heads, width, number, block):
    tokens, _ = divmod(memory, 2 * layers * heads * width * number)
    return tokens - tokens % block
