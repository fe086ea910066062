"""What the five applications of notebook 13 find, miss and cost, on cases that nothing was trained on.

    python tests/benchmarks/bench_applications.py        writes results/applications.json

Where thresholds are chosen, it is on calibration cases; measured is on others. Scores are those of `mmkit score`:
exact match, precision and recall with 95 % intervals. Costs are in units of one look by a person. Needs espeak-ng
the first time, to speak the reserved clips; about two minutes on one core.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkit import scoring
from mmkit.applications import cases, commerce, dialogue, education, medical, moderation
from mmkit.applications.claims import Claim, check, worse
from mmkit.applications.decisions import EVEN, Costs, Thresholds, cheapest, cost
from mmkit.engine import Engine
from mmkit.scoring import Outcome, score

RESULTS = Path(__file__).parent / "results" / "applications.json"
COMMAND = "python tests/benchmarks/bench_applications.py"
COSTS = Costs()


def told(outcomes: Sequence[Outcome], **more: Any) -> dict[str, Any]:
    """A score as it is stored: shares and intervals in four digits."""
    found = scoring.as_json(score(outcomes))
    del found["settings"]
    return json.loads(json.dumps({**found, **more}), parse_float=lambda text: round(float(text), 4))


def faults(rows: Sequence[dict], truths: Sequence[bool], thresholds: Thresholds = EVEN) -> dict[str, Any]:
    """Rows against the truth: a fault is found where a case is not allowed.  With costs, and what was got wrong."""
    names = {True: "fault", False: "fine"}
    called = [thresholds.decide(row["doubt"]) if "error" not in row else "review" for row in rows]
    outcomes = [Outcome(names[bool(t)], names[c != "allow"]) for t, c in zip(truths, called, strict=True)]
    doubts = [row["doubt"] for row in rows]
    everything = np.asarray(truths, bool)
    return told(
        outcomes,
        thresholds={"low": thresholds.low, "high": thresholds.high},
        decisions={name: called.count(name) for name in ("allow", "review", "act")},
        cost=cost(doubts, truths, thresholds, COSTS),
        cost_if_all_pass=float(COSTS.missed * everything.mean()),
        cost_if_all_are_looked_at=COSTS.review,
        missed=[n for n, o in enumerate(outcomes) if (o.expected, o.answer) == ("fault", "fine")],
        false_alarms=[n for n, o in enumerate(outcomes) if (o.expected, o.answer) == ("fine", "fault")],
    )


def calibrated(found: Sequence[dict], truths: Sequence[bool]) -> Thresholds:
    chosen = cheapest([row["doubt"] for row in found], truths, COSTS)
    return Thresholds(round(chosen.low, 4), round(chosen.high, 4))


def measure_dialogue(engine: Engine, say: cases.Say) -> dict[str, Any]:
    talks = cases.talks(150, "measured", say)
    found = {}
    for keep in ((), ("image",), ("image", "audio"), ("image", "audio", "talk")):
        turns: list[list[dialogue.Turn]] = [[] for _ in talks]
        outcomes, tokens = [], []
        for n in range(4):
            for turn, talk in zip(turns, talks, strict=True):
                turn.append(talk[n][0])
            answers = engine.answer([dialogue.remember(turn, keep) for turn in turns])
            for turn, talk, answer in zip(turns, talks, answers, strict=True):
                turn[-1] = dialogue.replace(turn[-1], answer=answer.text)
                if n:
                    outcomes.append(Outcome(talk[n][1], answer.text))
                    tokens.append(answer.prompt_tokens)
        found[" + ".join(keep) or "nothing"] = told(outcomes, tokens_per_turn=round(float(np.mean(tokens)), 1))
    return found


def heard(engine: Engine, claims: Sequence[list[Claim]], words: tuple[str, ...]) -> list[dict]:
    return check(claims, engine, choice=words, max_tokens=8)


def main() -> None:
    say = cases.held_out_voices()
    noisy = cases.held_out_voices(1, snr=0.0)
    results: dict[str, Any] = {"command": COMMAND, "costs": COSTS.__dict__}

    studies = cases.studies(500, "measured", noisy)
    figures = cases.figures(400, "measured")
    rng = np.random.default_rng(4)
    pupils = []  # (clip, right answer, what was said)
    for figure, _ in figures:
        right = education.questions_from(figure.numbers)[education.TALLEST]
        others = [name for name in cases.COLORS if name != right]
        spoken = right if rng.random() < 0.6 else str(rng.choice(others))
        pupils.append((noisy(spoken), right, spoken))
    with Engine("tiny-omni", quiet=True) as engine:
        results["dialogue"] = measure_dialogue(engine, say)
        notes = heard(engine, [medical.heard_claims(study) for study, _ in studies], cases.NUMBER_WORDS)
        spoken = heard(
            engine, [education.spoken_answer(clip, right) for clip, right, _ in pupils], tuple(cases.COLORS)
        )
        wrong = [answer != right for _, right, answer in pupils]
        thresholds = calibrated(spoken[:100], wrong[:100])
        results["education, spoken answer"] = faults(spoken[100:], wrong[100:], thresholds)

    with Engine("tiny-qwen2-vl", quiet=True) as engine:
        policy = moderation.RED_STAR
        known, posts = cases.posts(400, "calibration"), cases.posts(600, "measured")
        found = moderation.moderate([post for post, _ in known], engine, policy, EVEN)
        thresholds = calibrated(found, [bad for _, bad in known])
        rows = moderation.moderate([post for post, _ in posts], engine, policy, thresholds)
        truths = [bad for _, bad in posts]
        results["moderation"] = faults(rows, truths, thresholds)
        results["moderation, even"] = faults(rows, truths)
        results["moderation, calibration"] = {
            "doubts": [row["doubt"] for row in found],
            "truths": [bad for _, bad in known],
        }
        for name, part in {"picture": (0, 6), "video": (6, 8), "text": (8, 10)}.items():
            mine = [n for n in range(len(posts)) if part[0] <= n % 10 < part[1]]
            results[f"moderation, {name}"] = faults([rows[n] for n in mine], [truths[n] for n in mine], thresholds)

        rows = check([education.claims_of(figure) for figure, _ in figures], engine)
        results["education, figures"] = faults(rows, [bad for _, bad in figures])

        seen = check([medical.seen_claims(study) for study, _ in studies], engine)
        both = [worse(a, b) for a, b in zip(seen, notes, strict=True)]
        wrong = [which != "" for _, which in studies]
        thresholds = calibrated(both[:200], wrong[:200])
        results["medical, agreement"] = faults(both[200:], wrong[200:], thresholds)

        calibration, test = cases.listings(200, "calibration"), cases.listings(500, "measured")
        seen = {
            name: check([commerce.seen_claims(listing) for listing, _ in group], engine)
            for name, group in (("calibration", calibration), ("measured", test))
        }

    with Engine("tiny-reader", quiet=True) as engine:
        scans = cases.scans(400, "measured")
        read = medical.find_text([scan.picture for scan in scans], engine)
        prints = [{"doubt": round(medical.must_go(a), 4)} for answers in read for a in answers]
        truth = [scan.strip == strip for scan in scans for strip in range(4)]
        thresholds = calibrated(prints[:600], truth[:600])
        results["medical, burned-in names"] = faults(prints[600:], truth[600:], thresholds)

        rows = {}
        for name, group in (("calibration", calibration), ("measured", test)):
            tags = check([commerce.read_claims(listing) for listing, _ in group], engine)
            rows[name] = [worse(a, b) for a, b in zip(seen[name], tags, strict=True)]
        thresholds = calibrated(rows["calibration"], [wrong != "" for _, wrong in calibration])
        results["commerce, listings"] = faults(rows["measured"], [wrong != "" for _, wrong in test], thresholds)

    products = [(listing.description, listing.picture) for listing, wrong in test if not wrong]
    shelf = dict(products)  # one picture for each description
    names = list(shelf)
    with Engine("tiny-clip", quiet=True) as engine:
        calibration, test = cases.pairs(300, "calibration"), cases.pairs(600, "measured")
        near = {}
        for name, group in (("calibration", calibration), ("measured", test)):
            vectors = engine.embed(images=[p for pair in group for p in (pair.first, pair.second)])
            near[name] = [float(a @ b) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
        thresholds = cheapest(near["calibration"], [pair.same for pair in calibration], COSTS)
        rows = [{"doubt": round(value, 4)} for value in near["measured"]]
        results["commerce, duplicates"] = faults(rows, [pair.same for pair in test], thresholds)
        reviews = cases.reviews(names, 400, "measured")
        pictures = np.stack(engine.embed(images=[shelf[name] for name in names]))
        rows = commerce.check_reviews([(text, under) for text, under, _ in reviews], pictures, engine)
        results["commerce, reviews"] = faults(rows, [other for *_, other in reviews])

    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    for name, found in results.items():
        if isinstance(found, dict) and "labels" in found:
            fault = found["labels"]["fault"]
            p, r = fault["precision"], fault["recall"]
            print(f"{name:28} n={found['rows']:4} precision {p['value']:.3f} [{p['low']:.3f} {p['high']:.3f}]"
                  f" recall {r['value']:.3f} [{r['low']:.3f} {r['high']:.3f}] cost {found['cost']:.3f}"
                  f" / {found['cost_if_all_pass']:.2f} / {found['cost_if_all_are_looked_at']:.2f}"
                  f" {found['decisions']} {found['thresholds']}")  # fmt: skip
        elif name == "dialogue":
            for keep, row in found.items():
                print(f"dialogue, {keep:20} {row['exact']['value']:.3f} {row['tokens_per_turn']} tokens")


if __name__ == "__main__":
    main()
