"""Exercises of 11_serving."""

import base64
import math

from .mechanism import case, exercise

AGAIN = (408, 409, 429)


def _some_refusal(rng):
    status = rng.choice([200, 400, 401, 404, 408, 409, 413, 422, 429, 499, 500, 502, 503, 504, 599, 600])
    return status, rng.randrange(9), rng.choice([None, None, 0, 1, 7.5, 59, 60, 61, 3600])


def _wait(status, attempt, retry_after):
    return wait_before_retry.reference(status, attempt, retry_after)


@exercise(
    "11.1",
    cases=[
        case("too busy, for the first time", 429, 0, None),
        case("too busy, for the fourth time", 429, 3, None),
        case("no longer than 8 seconds: just so", 429, 4, None),
        case("no longer than 8 seconds: far beyond", 503, 12, None),
        case("the server says when", 429, 0, 3),
        case("the server says when, whatever the attempt", 503, 5, 1),
        case("the server says: at once", 429, 2, 0),
        case("the server says: in an hour", 429, 0, 3600),
        case("the server says: in a minute", 503, 0, 60),
        case("wrong request: never right", 400, 0, None),
        case("wrong request, and it says when", 400, 0, 5),
        case("too large", 413, 1, None),
        case("no such model", 404, 0, None),
        case("a timeout", 408, 1, None),
        case("a conflict", 409, 1, None),
        case("broken", 500, 1, None),
        case("the last of the 5xx", 599, 1, None),
        case("beyond the 5xx", 600, 1, None),
        case("the last of the 4xx", 499, 1, None),
    ],
    draw=_some_refusal,
    draws=80,
    hints=(
        "Three questions in turn: is it of use at all? does the server say when? else how long by the attempt?",
        "infinite unless status is 408, 409, 429 or 500 to 599; min(60, retry_after) if it is not None; "
        "min(8, 0.5 * 2 ** attempt).",
    ),
    mistakes={
        "asking a wrong request again is useless": lambda status, attempt, retry_after: (
            _wait(429, attempt, retry_after) if status >= 400 else math.inf
        ),
        "a server that says 0 means at once": lambda status, attempt, retry_after: _wait(
            status, attempt, retry_after or None
        ),
        "never more than 60 seconds": lambda status, attempt, retry_after: (
            retry_after
            if retry_after is not None and _wait(status, attempt, None) < 60
            else _wait(status, attempt, None)
        ),
        "at most 8 seconds": lambda status, attempt, retry_after: (
            0.5 * 2**attempt
            if retry_after is None and _wait(status, 0, None) < 60
            else _wait(status, attempt, retry_after)
        ),
        "attempt 0 waits half a second": lambda status, attempt, retry_after: _wait(
            status, attempt + 1, retry_after
        ),
        "5xx are worth another try": lambda status, attempt, retry_after: (
            _wait(status, attempt, retry_after) if status in AGAIN else math.inf
        ),
        "each wait is twice the one before": lambda status, attempt, retry_after: (
            min(8, 0.5 * (attempt + 1))
            if retry_after is None and _wait(status, 0, None) < 60
            else _wait(status, attempt, retry_after)
        ),
    },
)
def wait_before_retry(status, attempt, retry_after):
    if status not in AGAIN and not 500 <= status < 600:
        return math.inf
    if retry_after is not None:
        return min(60, retry_after)
    return min(8, 0.5 * 2**attempt)


INFINITE = math.inf


def _some_histogram(rng):
    finite = rng.sample([0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10], rng.randint(1, 6))
    bounds = [*sorted(finite), INFINITE]
    counts, total = [], 0
    for _ in bounds:
        total += rng.choice([0, 0, 1, 3, 10])
        counts.append(total)
    return bounds, counts, rng.choice([0.01, 0.25, 0.5, 0.75, 0.95, 1.0])


def _percentile(bounds, counts, share):
    return percentile.reference(bounds, counts, share)


def _as_if_not_cumulative(bounds, counts, share):
    sums = [sum(counts[: i + 1]) for i in range(len(counts))]
    return _percentile(bounds, sums, share)


def _upper_bound(bounds, counts, share):
    if not counts[-1]:
        return 0
    place = next(i for i, count in enumerate(counts) if count >= share * counts[-1])
    return bounds[min(place, len(bounds) - 2)]


def _middle(bounds, counts, share):
    if not counts[-1]:
        return 0
    place = next(i for i, count in enumerate(counts) if count >= share * counts[-1])
    if place == len(bounds) - 1:
        return bounds[-2]
    return (bounds[place] + (bounds[place - 1] if place else 0)) / 2


def _from_the_first_bound(bounds, counts, share):
    if counts[0] and share * counts[-1] <= counts[0]:
        return bounds[0]
    return _percentile(bounds, counts, share)


@exercise(
    "11.2",
    cases=[
        case("one bucket, half of it", [1.0, INFINITE], [10, 10], 0.5),
        case("the second bucket", [1.0, 2.0, INFINITE], [10, 20, 20], 0.75),
        case("at the edge of two buckets", [1.0, 2.0, INFINITE], [10, 20, 20], 0.5),
        case("buckets of unequal width", [0.1, 0.5, 2.0, INFINITE], [4, 8, 20, 20], 0.9),
        case("an empty bucket between", [0.1, 0.5, 2.0, INFINITE], [5, 5, 10, 10], 0.75),
        case("all took longer than the last bound", [0.1, 1.0, INFINITE], [0, 0, 7], 0.5),
        case("some took longer", [0.1, 1.0, INFINITE], [5, 9, 10], 0.99),
        case("the slowest of all, in a finite bucket", [0.1, 1.0, INFINITE], [5, 10, 10], 1.0),
        case("nobody has asked", [0.1, 1.0, INFINITE], [0, 0, 0], 0.5),
        case("one request", [0.1, 1.0, INFINITE], [0, 1, 1], 0.95),
        case("a small share", [1.0, 2.0, INFINITE], [50, 100, 100], 0.01),
    ],
    draw=_some_histogram,
    draws=80,
    atol=1e-9,
    hints=(
        "The first place with counts[i] >= share * counts[-1]. It begins where the one before ends, or at 0.",
        "low + (bounds[i] - low) * (wanted - counts[i - 1]) / (counts[i] - counts[i - 1]), with low = 0 and 0 "
        "requests below for the first.",
    ),
    mistakes={
        "the counts are sums already": _as_if_not_cumulative,
        "go into the bucket, not to its end": _upper_bound,
        "go into the bucket by the requests, not to its middle": _middle,
        "the first bucket begins at 0": _from_the_first_bound,
        "in the infinite bucket the last finite bound": lambda bounds, counts, share: (
            INFINITE if counts[-1] and share * counts[-1] > counts[-2] else _percentile(bounds, counts, share)
        ),
        "without any request, 0": lambda bounds, counts, share: (
            _percentile(bounds, counts, share) if counts[-1] else bounds[-2]
        ),
        "share is of the requests, not of the time": lambda bounds, counts, share: share * bounds[-2],
    },
)
def percentile(bounds, counts, share):
    if not counts[-1]:
        return 0
    wanted = share * counts[-1]
    place = next(i for i, count in enumerate(counts) if count >= wanted)
    if place == len(bounds) - 1:
        return bounds[-2]
    low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0)
    inside = counts[place] - below
    return low + (bounds[place] - low) * (wanted - below) / inside


def _some_url(rng):
    size = rng.randrange(12)
    url = f"data:image/png;base64,{base64.b64encode(bytes(size)).decode()}"
    return (url if rng.random() < 0.8 else url[: rng.randrange(len(url))],)


def _held(url):
    return held_bytes.reference(url)


def _held_otherwise(count):
    def held(url):
        _held(url)  # raises for the same URLs
        return count(url.partition(",")[2])

    return held


@exercise(
    "11.3",
    cases=[
        case("three bytes", "data:image/png;base64,AAAA"),
        case("two bytes", "data:image/png;base64,AAA="),
        case("one byte", "data:image/png;base64,AA=="),
        case("more than one group", "data:audio/wav;base64,AAAAAAA="),
        case("nothing in it", "data:image/png;base64,"),
        case("cut off", "data:image/png;base64,AAAAA"),
        case("an address of a host", "http://a.org/x;base64,AAAA"),
        case("a file", "file:///etc/passwd"),
        case("another scheme", "blob:image/png;base64,AAAA"),
        case("an x at the end", "data:image/png;base64,AAAx"),
        case("not in base64", "data:text/plain,AAAA"),
        case("no kind", "data:;base64,AAAA"),
        case("a kind without a slash", "data:png;base64,AAAA"),
        case("capital letters", "DATA:image/png;base64,AAAA"),
        case("some capital letters", "Data:image/png;base64,AA=="),
        case("no comma", "data:image/png;base64AAAA"),
        case("something after the word", "data:image/png;base64;x,AAAA"),
        case("a comma in the data", "data:video/jpeg;base64,AAA,"),
        case("more = than there can be", "data:image/png;base64,A==="),
        case("only =", "data:image/png;base64,===="),
        case("an = that is not at the end", "data:image/png;base64,AA=A"),
        case("empty", ""),
        case("a slash behind the comma alone", "data:png;base64,AA/A"),
    ],
    draw=_some_url,
    draws=60,
    hints=(
        "Split at the first comma. Judge what stands before it; count what stands behind it.",
        "len(DATA) // 4 * 3 less the = at the end, two at most; ValueError if the head is wrong or len(DATA) % 4.",
    ),
    mistakes={
        "four letters are three bytes": _held_otherwise(lambda data: len(data)),
        "an = at the end is a byte less": _held_otherwise(lambda data: len(data) // 4 * 3),
        "only the = at the end count": _held_otherwise(lambda data: len(data) // 4 * 3 - min(2, data.count("="))),
        "two = at most": _held_otherwise(lambda data: len(data) // 4 * 3 - (len(data) - len(data.rstrip("=")))),
        "a length that is no multiple of four is cut off": lambda url: _held(
            url[: len(url) - len(url.partition(",")[2]) % 4]
        ),
        "only data: URLs hold anything": lambda url: _held("data:image/png;base64," + url.partition(",")[2]),
        "the letters data: in any case": lambda url: _held(url if url.startswith("data:") else ""),
        "split at the first comma": lambda url: _held(url if url.count(",") < 2 else ""),
    },
)
def held_bytes(url):
    head, comma, data = url.partition(",")
    form = head[:5].lower() == "data:" and head.endswith(";base64") and "/" in head
    if not form or not comma or len(data) % 4:
        raise ValueError("no data URL in base64")
    return len(data) * 3 // 4 - min(2, len(data) - len(data.rstrip("=")))
