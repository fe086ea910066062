"""Exercises of 13_applications."""

import math

from .mechanism import case, exercise


def _some_doubts(rng):
    count = rng.randrange(1, 9)
    doubts = [rng.choice([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]) for _ in range(count)]
    return doubts, [rng.random() < 0.5 for _ in doubts]


@exercise(
    "13.1",
    cases=[
        case("one of each", [0.9, 0.1], [True, False], 0.5),
        case("a false alarm", [0.9, 0.8], [True, False], 0.5),
        case("a missed fault", [0.9, 0.2], [True, True], 0.5),
        case("a doubt that is just the threshold", [0.5, 0.4], [True, True], 0.5),
        case("nothing is called a fault", [0.1, 0.2], [True, False], 0.5),
        case("there is no fault", [0.9, 0.2], [False, False], 0.5),
        case("neither", [0.1], [False], 0.5),
        case("everything is called", [0.3, 0.2, 0.9], [True, False, False], 0.0),
        case("no cases at all", [], [], 0.5),
        case("more faults than calls", [0.9, 0.4, 0.3, 0.8], [True, True, True, False], 0.6),
    ],
    draw=lambda rng: (*_some_doubts(rng), rng.choice([0.0, 0.1, 0.5, 0.6, 1.0])),
    draws=80,
    atol=1e-9,
    hints=(
        "Three counts: the cases called, the faults, and the faults among those called.",
        "called = [d >= threshold for d in doubts]; found = those that are called and true; "
        "found / called and found / faults, and 1.0 where you would divide by 0.",
    ),
    mistakes={
        "from the threshold on: a doubt that equals it counts": lambda doubts, truths, threshold: (
            precision_and_recall.reference(doubts, truths, math.nextafter(threshold, 2))
        ),
        "precision comes first": lambda *args: precision_and_recall.reference(*args)[::-1],
        "the share of right cases is accuracy": lambda doubts, truths, threshold: (
            sum((d >= threshold) == t for d, t in zip(doubts, truths, strict=True)) / max(1, len(doubts)),
            precision_and_recall.reference(doubts, truths, threshold)[1],
        ),
        "where nothing is called, precision is 1.0": lambda doubts, truths, threshold: (
            precision_and_recall.reference(doubts, truths, threshold)[0]
            if any(d >= threshold for d in doubts)
            else 0.0,
            precision_and_recall.reference(doubts, truths, threshold)[1],
        ),
        "where there is no fault, recall is 1.0": lambda doubts, truths, threshold: (
            precision_and_recall.reference(doubts, truths, threshold)[0],
            precision_and_recall.reference(doubts, truths, threshold)[1] if any(truths) else 0.0,
        ),
    },
)
def precision_and_recall(doubts, truths, threshold):
    called = [d >= threshold for d in doubts]
    found = sum(c and t for c, t in zip(called, truths, strict=True))
    return found / sum(called) if any(called) else 1.0, found / sum(truths) if any(truths) else 1.0


def _total(doubts, truths, threshold, missed, false_alarm):
    passed = sum(t and d < threshold for d, t in zip(doubts, truths, strict=True))
    alarms = sum(not t and d >= threshold for d, t in zip(doubts, truths, strict=True))
    return missed * passed + false_alarm * alarms


def _least(doubts, truths, missed, false_alarm, thresholds):
    return min(_total(doubts, truths, threshold, missed, false_alarm) for threshold in thresholds)


@exercise(
    "13.2",
    cases=[
        case("told apart", [0.1, 0.9], [False, True], 20, 5),
        case("the wrong way round", [0.9, 0.1], [False, True], 20, 5),
        case("dear to miss", [0.2, 0.8, 0.7], [True, False, False], 20, 5),
        case("cheap to miss", [0.2, 0.8, 0.7], [True, False, False], 3, 5),
        case("no fault: allow everything", [0.9, 1.0], [False, False], 20, 5),
        case("only faults: act on everything", [0.0, 0.3], [True, True], 20, 5),
        case("equal doubts cannot be told apart", [0.5, 0.5, 0.5], [True, False, False], 20, 5),
        case("one case", [0.3], [True], 20, 5),
        case("best below one half", [0.1, 0.3, 0.4, 0.2], [False, True, True, False], 20, 5),
        case("missing costs nothing", [0.1, 0.9], [False, True], 0, 5),
        case("no cases", [], [], 20, 5),
    ],
    draw=lambda rng: (*_some_doubts(rng), rng.choice([1, 5, 20]), rng.choice([1, 5, 20])),
    draws=80,
    atol=1e-9,
    hints=(
        "Which thresholds can make a difference? Each doubt that occurs, and one above all of them.",
        "For each threshold: missed times the faults below it, plus false_alarm times the good ones from it on; "
        "the least of these.",
    ),
    mistakes={
        "try all thresholds, not one half": lambda doubts, truths, missed, false_alarm: _total(
            doubts, truths, 0.5, missed, false_alarm
        ),
        "a threshold above all doubts allows everything": lambda doubts, truths, missed, false_alarm: _least(
            doubts, truths, missed, false_alarm, [0, *doubts]
        ),
        "each error has its own price": lambda doubts, truths, missed, false_alarm: least_cost.reference(
            doubts, truths, missed, missed
        ),
        "the total, not the mean": lambda doubts, truths, missed, false_alarm: (
            least_cost.reference(doubts, truths, missed, false_alarm) / max(1, len(doubts))
        ),
        "a missed fault is one that is allowed": lambda doubts, truths, missed, false_alarm: least_cost.reference(
            doubts, truths, false_alarm, missed
        ),
    },
)
def least_cost(doubts, truths, missed, false_alarm):
    return _least(doubts, truths, missed, false_alarm, [0, *doubts, math.inf])


def _some_sources(rng):
    return ({name: rng.choice(["one", "two", None]) for name in ("picture", "report", "note")},)


@exercise(
    "13.3",
    cases=[
        case("all agree", {"picture": "two", "report": "two", "note": "two"}),
        case("the note is out of step", {"picture": "two", "report": "two", "note": "three"}),
        case("the report is", {"picture": "one", "report": "two", "note": "one"}),
        case("the picture is", {"picture": "zero", "report": "two", "note": "two"}),
        case("no two agree", {"picture": "one", "report": "two", "note": "three"}),
        case("one was not read", {"picture": None, "report": "two", "note": "two"}),
        case("one was not read, the others disagree", {"picture": None, "report": "two", "note": "one"}),
        case("two were not read", {"picture": None, "report": None, "note": "one"}),
        case("none was read", {"picture": None, "report": None, "note": None}),
        case("an empty text is a statement", {"picture": "", "report": "", "note": "one"}),
        case("other names", {"tag": "120", "listing": "120", "review": "12"}),
    ],
    draw=_some_sources,
    draws=60,
    hints=(
        "For each source: does it agree with any other one? How many do?",
        "Three that agree: ''. Two that agree: the third one's name. None: 'all'. None never agrees.",
    ),
    mistakes={
        "None agrees with nothing": lambda stated: odd_one_out.reference(
            {name: str(v) for name, v in stated.items()}
        ),
        "if no two agree, it is 'all'": lambda stated: (
            min(stated) if odd_one_out.reference(stated) == "all" else odd_one_out.reference(stated)
        ),
        "the source that is out of step, not one that agrees": lambda stated: (
            next(name for name in stated if name != odd_one_out.reference(stated))
            if odd_one_out.reference(stated) in stated
            else odd_one_out.reference(stated)
        ),
        "an empty text is a statement like any other": lambda stated: odd_one_out.reference(
            {name: value or None for name, value in stated.items()}
        ),
    },
)
def odd_one_out(stated):
    names = list(stated)
    agreeing = [
        name
        for name in names
        if stated[name] is not None and any(stated[name] == stated[o] for o in names if o != name)
    ]
    if len(agreeing) == 3:
        return ""
    return next(name for name in names if name not in agreeing) if agreeing else "all"
