"""Planted answers to the exercises of 11_serving."""

import bisect
import math
import re

from . import equivalent, right, wrong


@right("wait_before_retry")
def wait_by_cases(status, attempt, retry_after):
    again = status in {408, 409, 429} or status // 100 == 5
    if not again:
        return math.inf
    return [min(8.0, 2.0 ** (attempt - 1)), retry_after if retry_after is None else min(retry_after, 60)][
        retry_after is not None
    ]


@right("wait_before_retry")
def wait_by_a_loop(status, attempt, retry_after):
    if status in (408, 409, 429) or status in range(500, 600):
        if retry_after is None:
            seconds = 0.5
            for _ in range(attempt):
                seconds = min(8, 2 * seconds)
            return seconds
        return 60 if retry_after > 60 else retry_after
    return math.inf


@right("wait_before_retry")
def wait_by_a_shift(status, attempt, retry_after):
    if not (500 <= status <= 599 or status in (408, 409, 429)):
        return math.inf
    if retry_after is None:
        return min(16, 1 << attempt) / 2
    return min(retry_after, 60)


@wrong("wait_before_retry")
def wait_for_anything(status, attempt, retry_after):
    return min(60, retry_after) if retry_after is not None else min(8, 0.5 * 2**attempt)


@wrong("wait_before_retry")
def wait_the_longer(status, attempt, retry_after):
    if status not in (408, 409, 429) and not 500 <= status < 600:
        return math.inf
    return min(60, max(retry_after or 0, min(8, 0.5 * 2**attempt)))


@wrong("wait_before_retry")
def wait_for_429_alone(status, attempt, retry_after):
    if status != 429:
        return math.inf
    return min(60, retry_after) if retry_after is not None else min(8, 0.5 * 2**attempt)


@wrong("wait_before_retry")
def wait_whole_seconds(status, attempt, retry_after):
    if status not in (408, 409, 429) and not 500 <= status < 600:
        return math.inf
    return min(60, retry_after) if retry_after is not None else min(8, 2**attempt)


@right("percentile")
def percentile_by_bisection(bounds, counts, share):
    if counts[-1] == 0:
        return 0
    wanted = share * counts[-1]
    i = bisect.bisect_left(counts, wanted)
    if i >= len(bounds) - 1:
        return bounds[len(bounds) - 2]
    low = bounds[i - 1] if i > 0 else 0
    below = counts[i - 1] if i > 0 else 0
    if counts[i] == below:
        return bounds[i]
    return low + (wanted - below) / (counts[i] - below) * (bounds[i] - low)


@right("percentile")
def percentile_from_below(bounds, counts, share):
    wanted, low, below = share * counts[-1], 0.0, 0
    for bound, count in zip(bounds[:-1], counts[:-1], strict=True):
        if counts[-1] and count >= wanted:
            return bound - (bound - low) * (count - wanted) / max(count - below, 1)
        low, below = bound, count
    return bounds[-2] if counts[-1] else 0


@right("percentile")
def percentile_of_padded_lists(bounds, counts, share):
    if not counts[-1]:
        return 0
    edges, sums = [0.0, *bounds], [0, *counts]
    i = 1
    while sums[i] < share * sums[-1]:
        i += 1
    if i == len(edges) - 1:
        return edges[-2]
    part = (share * sums[-1] - sums[i - 1]) / (sums[i] - sums[i - 1])
    return edges[i - 1] * (1 - part) + edges[i] * part


@wrong("percentile")
def percentile_without_the_last(bounds, counts, share):
    return percentile_by_bisection(bounds, [*counts[:-1], counts[-2]], share)


@wrong("percentile")
def percentile_of_the_bounds(bounds, counts, share):
    if not counts[-1]:
        return 0
    return bounds[min(len(bounds) - 2, int(share * (len(bounds) - 1)))]


@wrong("percentile")
def percentile_beyond(bounds, counts, share):
    if not counts[-1]:
        return 0
    i = min(bisect.bisect_right(counts, share * counts[-1]), len(bounds) - 1)
    if i == len(bounds) - 1:
        return bounds[-2]
    low, below = (bounds[i - 1], counts[i - 1]) if i else (0.0, 0)
    return low + (bounds[i] - low) * (share * counts[-1] - below) / (counts[i] - below)


@right("held_bytes")
def held_by_a_pattern(url):
    found = re.fullmatch(r"(?is)data:[^,]*/[^,]*(?-i:;base64),(.*)", url)
    if not found or len(found[1]) % 4:
        raise ValueError("no data URL")
    data = found[1]
    padding = 2 if data.endswith("==") else int(data.endswith("="))
    return 3 * len(data) // 4 - padding


@right("held_bytes")
def held_by_parts(url):
    if "," not in url or url[:5].lower() != "data:":
        raise ValueError("no data URL")
    head, data = url.split(",", 1)
    if not head.endswith(";base64") or "/" not in head[: -len(";base64")] or len(data) % 4 != 0:
        raise ValueError("no data URL")
    missing = 0
    while missing < 2 and data[len(data) - missing - 1 : len(data) - missing] == "=":
        missing += 1
    return len(data) * 3 // 4 - missing


@right("held_bytes")
def held_by_groups(url):
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head[5:].endswith(";base64") or "/" not in head:
        raise ValueError("no data URL")
    groups, rest = divmod(len(data), 4)
    if rest:
        raise ValueError(url[:20])
    return 3 * groups - data[-2:].count("=") * (data[-1:] == "=")


@wrong("held_bytes")
def held_by_the_whole_url(url):
    return len(url) // 4 * 3


@wrong("held_bytes")
def held_without_a_kind(url):
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.endswith(";base64") or len(data) % 4:
        raise ValueError("no data URL")
    return len(data) // 4 * 3 - min(2, len(data) - len(data.rstrip("=")))


@wrong("held_bytes")
def held_in_anything(url):
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or "/" not in head or len(data) % 4:
        raise ValueError("no data URL")
    return len(data) // 4 * 3 - min(2, len(data) - len(data.rstrip("=")))


@wrong("held_bytes")
def held_cut_off(url):
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.endswith(";base64") or "/" not in head:
        raise ValueError("no data URL")
    return len(data) // 4 * 3 - min(2, len(data) - len(data.rstrip("=")))


equivalent(
    "percentile",
    "if place == len(bounds) - 1:  ->  if place >= len(bounds) - 1:",
    "there is no place behind the last",
)
equivalent(
    "held_bytes",
    "return len(data) * 3 // 4 - min(2, len(data) - len(data.rstrip('=')))  ->  "
    "return len(data) * 3 / 4 - min(2, len(data) - len(data.rstrip('=')))",
    "the length is a multiple of four, and 3.0 bytes are 3",
)
equivalent(
    "held_bytes",
    "return len(data) * 3 // 4 - min(2, len(data) - len(data.rstrip('=')))  ->  "
    "return (len(data) + 1) * 3 // 4 - min(2, len(data) - len(data.rstrip('=')))",
    "of a multiple of four and one more, three quarters are the same whole number",
)
