"""The plan of a cluster: against what can be said without it, and the simulation against the formula."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit.scale.plan import HOUR, Stage, plan, simulate, throughput, workers_to_feed

SECONDS = st.floats(0.001, 0.1)


def test_one_worker_needs_the_sum_of_its_rows():
    assert plan([Stage("only", 0.5)], 100).seconds == pytest.approx(50)
    assert simulate([Stage("only", 0.5, batch=10)], 100).seconds == pytest.approx(50)


def test_two_stages_by_hand():
    """Batches of 10: the first arrives after 1 s, then one every second; the last needs 0.5 s more. 10 + 0.5."""
    assert simulate([Stage("a", 0.1, batch=10), Stage("b", 0.05, batch=10)], 100).seconds == pytest.approx(10.5)
    """The other way round: after 0.5 s one every second, ten of them."""
    assert simulate([Stage("b", 0.05, batch=10), Stage("a", 0.1, batch=10)], 100).seconds == pytest.approx(10.5)


def test_a_start_is_waited_for():
    assert simulate([Stage("a", 0.1, start=30, batch=10)], 100).seconds == pytest.approx(40)
    assert plan([Stage("a", 0.1, start=30, batch=10)], 100).seconds == pytest.approx(40)


@settings(max_examples=30)
@given(st.lists(st.tuples(SECONDS, st.integers(1, 8)), min_size=1, max_size=3))
def test_the_simulation_tends_to_the_formula(stages):
    """Without failures and over many batches they differ by what fills and empties the line."""
    line = [Stage(f"s{i}", seconds, workers, batch=4) for i, (seconds, workers) in enumerate(stages)]
    rate, _ = throughput(line)
    found = simulate(line, 8000)
    assert found.rows_per_second == pytest.approx(rate, rel=0.1)
    assert found.rows_per_second <= rate * 1.0001
    assert all(0 < share <= 1.0001 for share in found.busy.values())


def test_shared_cores_are_a_limit_of_their_own():
    two = [Stage("prepare", 0.02, workers=2, cpu=0.02), Stage("collect", 0.005, cpu=0.005)]
    assert throughput(two, cores=2) == (pytest.approx(80), "cores")
    assert throughput(two, cores=4) == (pytest.approx(100), "prepare")


def test_workers_that_feed_one_gpu_keep_it_busy():
    prepare, answer = Stage("prepare", 0.03), Stage("answer", 0.004)
    number = workers_to_feed(prepare, answer)
    assert number == 8
    assert throughput([Stage("prepare", 0.03, workers=number), answer])[1] == "answer"
    assert throughput([Stage("prepare", 0.03, workers=number - 1), answer])[1] == "prepare"


def test_failures_cost_their_start_and_their_batch():
    """100 workers for about 3 hours, each failing every 10 hours: about 30 failures; half a batch is done again."""
    stage = Stage("a", 1.0, workers=100, batch=16, start=60, hours_between_failures=10)
    rows = int(3 * HOUR) * 100
    found, expected = simulate([stage], rows), plan([stage], rows)
    assert found.failures == pytest.approx(expected.failures, rel=0.5)
    assert found.seconds == pytest.approx(expected.seconds, rel=0.03)
    assert found.seconds > simulate([Stage("a", 1.0, workers=100, batch=16, start=60)], rows).seconds
    assert found.rows_again == pytest.approx(expected.rows_again, rel=0.7)
    assert simulate([stage], rows) == found, "one seed, one result"


def test_cost_is_workers_times_hours_times_price():
    made = plan([Stage("a", 0.1, workers=10, price=0.5), Stage("b", 0.01, price=3.0)], 360_000)
    assert made.seconds == pytest.approx(HOUR)
    assert made.cost == pytest.approx(10 * 0.5 + 3.0)
