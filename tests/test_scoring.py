"""Scores: known values by hand, then what a file of answers can get wrong.

Oracle: worked examples (Wilson's interval as Newcombe 1998 tabulates it, word errors counted on paper), the edit
distance of torchaudio on random words, and the definitions of precision and recall counted out.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmkit import scoring
from mmkit.cli import app
from mmkit.errors import BadEncoding, EmptyMedia
from mmkit.scoring import Outcome, error_rate, f1_score, read_outcomes, read_settings, score, wilson, word_errors


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [  # Newcombe (1998), Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 1 - 0.1170, 1.0),  # 0 of 29 turned around: 1 - z^2 / (n + z^2)
    ],
)
def test_wilson_equals_the_published_table(hits, trials, low, high):
    found = wilson(hits, trials)
    assert found.value == hits / trials
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_no_trials_have_no_share():
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("said", "written", "errors"),
    [
        ("", "", 0),
        ("three one four", "three one four", 0),
        ("three one four", "three nine four", 1),
        ("five five", "five", 1),
        ("", "thank you", 2),
        ("stop", "", 1),
        ("one two", "two one", 2),
        ("one two three", "two three", 1),
    ],
)
def test_word_errors_by_hand(said, written, errors):
    assert word_errors(said.split(), written.split()) == errors


@given(*[st.lists(st.sampled_from(["one", "two", "on", "e"]), max_size=8)] * 2)
def test_word_errors_equal_torchaudio(said, written):
    from torchaudio.functional import edit_distance

    assert word_errors(said, written) == edit_distance(said, written)


def test_the_error_rate_is_that_of_the_whole_and_not_a_mean_of_rates():
    found = error_rate([1, 0], [1, 9])
    assert found.value == 0.1
    assert found.low == 0.0
    assert found.high == 1.0  # both draws may be the short row
    assert error_rate([0, 0], [0, 0]) is None
    assert error_rate([2], [1]).value == 2.0


def test_the_bootstrap_repeats_with_its_seed_and_covers():
    errors, words = [1] * 30 + [0] * 70, [1] * 100
    assert error_rate(errors, words, seed=3) == error_rate(errors, words, seed=3)
    assert error_rate(errors, words, seed=3) != error_rate(errors, words, seed=4)
    low, high = wilson(30, 100).low, wilson(30, 100).high
    assert error_rate(errors, words).low == pytest.approx(low, abs=0.03)
    assert error_rate(errors, words).high == pytest.approx(high, abs=0.03)


def test_f1_by_hand():
    found = f1_score(8, 2, 4, 100)
    assert found.value == 8 / 11
    assert found.low < 8 / 11 < found.high
    assert f1_score(0, 0, 0, 10) is None
    assert f1_score(0, 3, 2, 10).value == 0.0


ROWS = [
    *[Outcome("yes", "yes")] * 6,
    *[Outcome("yes", "no")] * 2,
    *[Outcome("no", "no")] * 9,
    Outcome("no", "yes"),
    Outcome("yes", None, "CorruptMedia"),
    Outcome("no", "perhaps"),
]


def test_precision_and_recall_counted_out():
    found = score(ROWS)
    assert found.rows == 20
    assert found.exact.value == 15 / 20
    assert found.errors == {"CorruptMedia": 1}
    assert list(found.labels) == ["no", "yes", "perhaps"]
    yes = found.labels["yes"]
    assert (yes.expected, yes.answered) == (9, 7)
    assert yes.precision.value == 6 / 7
    assert yes.recall.value == 6 / 9  # the row that failed was missed
    assert yes.f1.value == 12 / 16
    assert found.labels["perhaps"].recall is None
    assert found.labels["perhaps"].precision.value == 0.0
    assert found.word_error_rate.value == 5 / 20


def test_nothing_is_no_score():
    with pytest.raises(EmptyMedia, match="no rows"):
        score([])


def test_answers_are_compared_as_they_are():
    assert score([Outcome("Red.", "red")]).exact.value == 0.0


# ------------------------------------------------------------------------------------------------- files


def written(tmp_path, rows: list, name: str = "out.jsonl"):
    path = tmp_path / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


ERROR = {"type": "CorruptMedia", "message": "broken"}


def test_rows_hold_what_was_expected_or_the_rows_that_were_asked_do(tmp_path):
    own = written(tmp_path, [{"id": 1, "answer": "a", "expected": "b"}, {"id": 2, "error": ERROR, "expected": "c"}])
    right = [Outcome("b", "a"), Outcome("c", None, "CorruptMedia")]
    assert read_outcomes(own) == right
    bare = written(tmp_path, [{"id": 1, "answer": "a"}, "", {"id": 2, "error": ERROR}], "bare.jsonl")
    asked = written(tmp_path, [{"id": 1, "text": "?", "expected": "b"}, {"id": 2, "expected": "c"}], "in.jsonl")
    assert read_outcomes(bare, asked) == right


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 7, "answer": "a"}, r'line 2 \(id 7\) has no "expected"'),
        ({"id": 7, "answer": "a", "expected": 5}, 'has no "expected", a string'),
        ({"id": 7, "expected": "a"}, 'neither an "answer"'),
        ({"id": 7, "expected": "a", "answer": 3}, 'neither an "answer"'),
        ({"id": 7, "expected": "a", "answer": "a", "error": ERROR}, "neither"),
        ({"id": 7, "expected": "a", "error": "broken"}, "neither"),
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[1]", "line 2 is a JSON list"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(tmp_path, row, message):
    path = written(tmp_path, [{"id": 1, "answer": "a", "expected": "a"}, row])
    with pytest.raises(BadEncoding, match=message):
        read_outcomes(path)


def test_answers_out_of_step_with_their_rows_are_refused(tmp_path):
    asked = written(tmp_path, [{"id": 1, "expected": "b"}, {"id": 2, "expected": "c"}], "in.jsonl")
    with pytest.raises(BadEncoding, match="another id"):
        read_outcomes(written(tmp_path, [{"id": 2, "answer": "c"}, {"id": 1, "answer": "b"}]), asked)
    with pytest.raises(BadEncoding, match="1 answers to 2 rows"):
        read_outcomes(written(tmp_path, [{"id": 1, "answer": "b"}]), asked)


def test_settings_are_those_of_the_file_as_it_was(tmp_path):
    path = written(tmp_path, [{"id": 1, "answer": "a", "expected": "a"}])
    assert read_settings(path) is None
    scoring.write_settings(path, str(tmp_path), {"max_tokens": 64})
    made = read_settings(path)
    assert made["model"] == tmp_path.name
    assert made["sampling"] == {"max_tokens": 64}
    assert made["versions"]["torch"]
    path.write_text(path.read_text().replace('"answer": "a"', '"answer": "b"'))
    assert read_settings(path) is None


def test_the_command_says_it_in_words_and_in_json(tmp_path):
    path = written(
        tmp_path, [{"id": 1, "answer": "a", "expected": "a"}, {"id": 2, "error": ERROR, "expected": "b"}]
    )
    scoring.write_settings(path, "tiny", {"max_tokens": 64})
    run = CliRunner().invoke(app, ["score", str(path)])
    assert run.exit_code == 1  # a row failed
    assert "tiny" in run.stdout
    assert "failed: CorruptMedia 1" in run.stdout
    assert "50.0% (9.5% to 90.5%)" in run.stdout
    run = CliRunner().invoke(app, ["score", str(path), "--json"])
    found = json.loads(run.stdout)
    assert found["exact"]["value"] == 0.5
    assert found["labels"]["b"]["recall"]["value"] == 0.0
    assert found["settings"]["made_by"]["model"] == "tiny"
    assert found["settings"]["sha256"] == scoring.sha256(path)


def test_many_labels_are_cut_in_words_and_not_in_json():
    found = score([Outcome(str(n), str(n)) for n in range(30)])
    assert "and 10 more labels" in scoring.table(found)
    assert len(scoring.as_json(found)["labels"]) == 30
