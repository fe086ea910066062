"""Plan: what a cluster would do with so many rows, from what one worker was measured to do.

    Stage (seconds a row, workers, what a worker costs) -> plan (a formula) -> Plan: rows a second, bottleneck, cost
                                                       -> simulate (by events) -> Plan, with starts and failures

Stages stand in a row, each fed by the one before it. In the long run the slowest sets the pace:

    rows per second = min( workers_i / seconds_i,  cores / sum of cpu_i )

The second term is for stages that share the cores of one machine: two workers on two cores are not twice as fast
where the driver needs a core, too.
Follows queueing theory's tandem of servers with bounded buffers (blocking after service).
Leaves out the network: encoded bytes are small beside their decoding; add a Stage where they are not.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

HOUR = 3600.0  # seconds


@dataclass(frozen=True)
class Stage:
    """One kind of work and who does it; times of one worker, as measured."""

    name: str
    seconds: float  # a row takes, of one worker's time
    workers: int = 1
    cpu: float = 0.0  # a row takes, of the cores that all stages share (0: it has cores of its own)
    batch: int = 64  # rows that a worker takes at once, and loses when it fails
    start: float = 0.0  # seconds before a worker's first row
    hours_between_failures: float = math.inf  # of one worker
    price: float = 0.0  # of one worker, an hour


@dataclass(frozen=True)
class Plan:
    """What came of it.  busy: the share of its workers' time that each stage works, by its name."""

    seconds: float
    rows_per_second: float
    bottleneck: str
    cost: float
    failures: float  # workers that fail on the way, all stages together
    rows_again: float  # rows that are worked on a second time because of that
    busy: dict[str, float] = field(default_factory=dict)


def throughput(stages: Sequence[Stage], cores: float = math.inf) -> tuple[float, str]:
    """(rows per second, what limits them) in the long run.  cores: that the stages with `cpu` share.

    >>> throughput([Stage("prepare", 0.02, workers=4), Stage("answer", 0.01)])
    (100.0, 'answer')
    >>> throughput([Stage("prepare", 0.02, workers=2, cpu=0.02), Stage("collect", 0.005, cpu=0.005)], cores=2)
    (80.0, 'cores')
    """
    rates = {stage.name: stage.workers / stage.seconds for stage in stages if stage.seconds > 0}
    shared = sum(stage.cpu for stage in stages)
    if shared > 0 and cores < math.inf:
        rates["cores"] = cores / shared
    limit = min(rates, key=lambda name: rates[name])
    return rates[limit], limit


def workers_to_feed(feeder: Stage, fed: Stage) -> int:
    """How many workers of one stage keep the workers of the next one busy: ceil(seconds * workers' ratio).

    >>> workers_to_feed(Stage("prepare", 0.030), Stage("answer", 0.004, workers=2))   # 0.030 / 0.004 * 2
    15
    """
    return math.ceil(round(feeder.seconds / fed.seconds * fed.workers, 9))


def plan(stages: Sequence[Stage], rows: int, cores: float = math.inf) -> Plan:
    """The expected values for so many rows, by formula.

    A worker that fails costs its start and on average half a batch; failures are rare, so that they slow each stage
    by the share of its time that is lost so.

    >>> made = plan([Stage("prepare", 0.02, workers=64, price=0.04), Stage("answer", 0.001, price=2.0)], 3_600_000)
    >>> made.bottleneck, made.seconds, round(made.cost, 2), made.busy
    ('answer', 3600.0, 4.56, {'prepare': 0.3125, 'answer': 1.0})
    """
    slowed = [_slowed(stage) for stage in stages]
    rate, limit = throughput(slowed, cores)
    seconds = rows / rate + max(stage.start for stage in stages)
    failures = sum(stage.workers * seconds / HOUR / stage.hours_between_failures for stage in stages)
    return Plan(
        seconds=seconds,
        rows_per_second=rows / seconds,
        bottleneck=limit,
        cost=sum(stage.workers * stage.price for stage in stages) * seconds / HOUR,
        failures=failures,
        rows_again=sum(
            stage.workers * seconds / HOUR / stage.hours_between_failures * stage.batch / 2 for stage in stages
        ),
        busy={stage.name: rate * stage.seconds / stage.workers for stage in slowed},
    )


def _slowed(stage: Stage) -> Stage:
    """With the time that failures cost spread over its rows."""
    lost = stage.start + stage.batch * stage.seconds / 2  # seconds, at each failure
    return replace(stage, seconds=stage.seconds * (1 + lost / (stage.hours_between_failures * HOUR)))


def simulate(stages: Sequence[Stage], rows: int, *, waiting: int = 2, seed: int = 0) -> Plan:
    """Batch after batch through the stages, event by event; workers start, fail and start again.

    A batch is the largest of the stages'.  waiting: batches that may wait before each worker of the next stage; a
    worker whose batch finds no place waits with it.  Every stage has its own cores here.  seed: of the failures.

    >>> one = simulate([Stage("prepare", 0.01), Stage("answer", 0.002)], 6400)
    >>> one.bottleneck, round(one.rows_per_second)     # 100 a second, less the last batch's way through "answer"
    ('prepare', 100)
    """
    chance = random.Random(seed)
    batch = max(stage.batch for stage in stages)
    left = math.ceil(rows / batch)
    queue = [left] + [0] * len(stages)  # batches before each stage; the last place: done
    room = [math.inf] + [waiting * stage.workers for stage in stages[1:]] + [math.inf]
    idle = [0] * len(stages)
    blocked = [0] * len(stages)  # workers that hold a finished batch
    worked = [0.0] * len(stages)
    failures, again = 0, 0.0
    events: list[tuple[float, int, str]] = []  # (when, stage, what)
    for i, stage in enumerate(stages):
        for _ in range(stage.workers):
            heapq.heappush(events, (stage.start, i, "ready"))
    now = 0.0
    while queue[-1] < left:
        now, i, what = heapq.heappop(events)
        if what == "ready":
            idle[i] += 1
        elif what == "failed":
            queue[i] += 1  # its batch waits again
            heapq.heappush(events, (now + stages[i].start, i, "ready"))
        else:
            blocked[i] += 1
        for j in (*range(i, len(stages)), *reversed(range(i + 1))):  # what came moves on, and makes room behind
            stage = stages[j]
            while blocked[j] and queue[j + 1] < room[j + 1]:
                blocked[j], idle[j], queue[j + 1] = blocked[j] - 1, idle[j] + 1, queue[j + 1] + 1
            while idle[j] and queue[j]:
                idle[j], queue[j] = idle[j] - 1, queue[j] - 1
                needed = stage.seconds * batch
                mean = stage.hours_between_failures * HOUR
                fails = chance.expovariate(1 / mean) if mean < math.inf else math.inf
                worked[j] += min(needed, fails)
                if fails < needed:
                    failures, again = failures + 1, again + fails / stage.seconds
                heapq.heappush(events, (now + min(needed, fails), j, "failed" if fails < needed else "done"))
    busy = {stage.name: worked[i] / (now * stage.workers) for i, stage in enumerate(stages)}
    return Plan(
        seconds=now,
        rows_per_second=rows / now,
        bottleneck=max(busy, key=lambda name: busy[name]),
        cost=sum(stage.workers * stage.price for stage in stages) * now / HOUR,
        failures=failures,
        rows_again=again,
        busy=busy,
    )
