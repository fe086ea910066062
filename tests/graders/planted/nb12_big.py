"""Planted answers to the exercises of 12_fast_and_big."""

import heapq
import math
from collections import deque

from . import right, wrong


@wrong("blocks_held")
def one_more_to_be_sure(requests, size):
    return sum((prompt + answer - 1) // size + 1 for prompt, answer in requests)


@wrong("blocks_held")
def prompts_and_answers_apart(requests, size):
    return sum(-(-prompt // size) + -(-(answer - 1) // size) for prompt, answer in requests)


@wrong("blocks_held")
def the_longest_for_all(requests, size):
    return len(requests) * max((-(-(p + a - 1) // size) for p, a in requests), default=0)


@right("blocks_held")
def by_ceil(requests, size):
    return sum(math.ceil((prompt + answer - 1) / size) for prompt, answer in requests)


@right("blocks_held")
def block_by_block(requests, size):
    held = 0
    for prompt, answer in requests:
        tokens = prompt + answer - 1
        while tokens > 0:
            held, tokens = held + 1, tokens - size
    return held


@right("blocks_held")
def block_of_the_last_token(requests, size):
    return sum((prompt + answer - 2) // size + 1 for prompt, answer in requests)


@wrong("tokens_found")
def any_block_of_any_prompt(prompt, earlier, size):
    known = {tuple(other[at : at + size]) for other in earlier for at in range(0, len(other) - size + 1, size)}
    found = 0
    while found + size < len(prompt) and tuple(prompt[found : found + size]) in known:
        found += size
    return found


@wrong("tokens_found")
def blocks_instead_of_tokens(prompt, earlier, size):
    return by_chain(prompt, earlier, size) // size


@wrong("tokens_found")
def one_less(prompt, earlier, size):
    shared = max((sum(1 for _ in same(prompt, other)) for other in earlier), default=0)
    return max(shared - 1, 0) // size * size


def same(prompt, other):
    for a, b in zip(prompt, other, strict=False):
        if a != b:
            return
        yield a


@right("tokens_found")
def by_chain(prompt, earlier, size):
    known = {tuple(other[:end]) for other in earlier for end in range(size, len(other) + 1, size)}
    found = 0
    while found + size < len(prompt) and tuple(prompt[: found + size]) in known:
        found += size
    return found


@right("tokens_found")
def by_prefixes(prompt, earlier, size):
    ends = range(size * ((len(prompt) - 1) // size), 0, -size) if prompt else ()
    return next((end for end in ends if any(other[:end] == prompt[:end] for other in earlier)), 0)


@right("tokens_found")
def by_looking_at_each(prompt, earlier, size):
    best = 0
    for other in earlier:
        shared = len(list(same(prompt, other)))
        best = max(best, min(shared // size, (len(prompt) - 1) // size) * size) if prompt else 0
    return best


@wrong("steps_needed")
def one_after_the_other(lengths, seats):
    return sum(lengths)


@wrong("steps_needed")
def the_last_who_came(lengths, seats):
    free, last = [0] * seats, 0
    for length in lengths:
        seat = free.index(min(free))
        free[seat] += length
        last = free[seat]
    return last


@wrong("steps_needed")
def shortest_first(lengths, seats):
    return by_heap(sorted(lengths), seats)


@right("steps_needed")
def by_heap(lengths, seats):
    free = [0] * seats
    for length in lengths:
        heapq.heappush(free, heapq.heappop(free) + length)
    return max(free)


@right("steps_needed")
def step_by_step(lengths, seats):
    waiting, running, steps = deque(lengths), [], 0
    while waiting or running:
        while waiting and len(running) < seats:
            running.append(waiting.popleft())
        running = [left - 1 for left in running if left > 1]
        steps += 1
    return steps


@right("steps_needed")
def by_ends(lengths, seats):
    ends = []
    for length in lengths:
        start = 0 if len(ends) < seats else sorted(ends)[-seats]
        ends.append(start + length)
    return max(ends, default=0)
