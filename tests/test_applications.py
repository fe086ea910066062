"""The five applications: a right and a wrong case of each, on the shipped models; what decides, by hand.

Oracle: cases that are made with their truth (mmkit.applications.cases), and costs counted out on paper. Engines are
started once for all tests of a model.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest

from mmkit import Engine, MultiModalSample, load_audio
from mmkit.answers import Answer
from mmkit.applications import cases, commerce, education, medical, moderation
from mmkit.applications.claims import Claim, appeal, check, doubt, fingerprint, row_of, worse
from mmkit.applications.decisions import EVEN, Costs, Thresholds, cheapest, cost, curve
from mmkit.applications.dialogue import Conversation, Turn, remember
from mmkit.zoo.worlds import second_renderer, shapes

DATA = Path(__file__).parents[1] / "data"
RESULTS = Path(__file__).parent / "benchmarks" / "results" / "applications.json"


# ------------------------------------------------------------------------------------------ without an engine


def test_a_doubt_is_what_is_left_or_what_contradicts():
    assert doubt(Answer("two", (), 0.75, 0), "two") == 0.25
    assert doubt(Answer("three", (), 0.75, 0), "two") == 0.75


def test_costs_counted_out():
    """Allowed: a fault (20). Looked at: one of each (2). Acted upon: one of each (0 and 5)."""
    doubts, truths = [0.1, 0.4, 0.5, 0.9, 0.95], [True, True, False, True, False]
    assert cost(doubts, truths, Thresholds(0.3, 0.7), Costs(20, 5, 1)) == (20 + 1 + 1 + 0 + 5) / 5


@pytest.mark.parametrize("seed", range(20))
def test_cheapest_is_cheapest(seed):
    """Against every pair of thresholds on a fine grid."""
    rng = random.Random(seed)
    doubts = [rng.choice((0.0, 0.1, 0.35, 0.5, 0.8, 1.0)) for _ in range(rng.randint(1, 12))]
    truths = [rng.random() < 0.5 for _ in doubts]
    costs = Costs(rng.choice((1, 20)), rng.choice((1, 5)), rng.choice((0.5, 3)))
    grid = np.linspace(0, 1.2, 25)
    least = min(
        cost(doubts, truths, Thresholds(low, high), costs)
        for low, high in itertools.product(grid, grid)
        if low <= high
    )
    assert cost(doubts, truths, cheapest(doubts, truths, costs), costs) == pytest.approx(least, abs=1e-12)


def test_the_curve_ends_at_full_recall():
    thresholds, precision, recall = curve([0.2, 0.2, 0.7, 0.9], [True, False, False, True])
    assert thresholds.tolist() == [0.9, 0.7, 0.2]
    assert precision.tolist() == [1.0, 0.5, 0.5]
    assert recall.tolist() == [0.5, 0.5, 1.0]


def test_an_error_outweighs_what_was_only_allowed():
    allowed, failed = row_of(0, 0.1, EVEN), row_of(0, 1.0, EVEN, error={"type": "CorruptMedia"})
    acted = row_of(0, 0.9, EVEN)
    assert failed["decision"] == "review"
    assert worse(allowed, failed) == worse(failed, allowed) == failed
    assert worse(acted, failed) == acted


def test_an_appeal_is_a_new_row_bound_to_the_old_one():
    row = row_of(3, 0.9, EVEN, seen="yes")
    again = appeal(row, "a flag")
    assert row["decision"] == "act"
    assert again["decision"] == "review"
    assert again["appeal_of"] == fingerprint(row)
    assert fingerprint({**row, "seen": "no"}) != again["appeal_of"]  # a changed row shows


def test_what_a_talk_keeps():
    turns = [Turn("a?", image="p1", answer="A"), Turn("b?", audio="c1", answer="B"), Turn("c?", image="p2")]
    assert remember(turns, ()) == MultiModalSample("c?", ("p2",))
    assert remember(turns[:2], ()).images == ()
    assert remember(turns[:2], ("image",)).images == ("p1",)
    assert remember(turns, ("image", "audio")).images == ("p2",)  # the latest alone
    assert remember(turns, ("image", "audio")).audios == ("c1",)
    assert remember(turns, ("talk",)).history == (("a?", "A"), ("b?", "B"))


@pytest.mark.parametrize("text", cases.HARMLESS)
def test_harmless_words_are_let_pass(text):
    assert moderation.said(text, moderation.RED_STAR) is None


def test_disguised_words_are_found_and_others_are_not():
    missed = [text for text in cases.HARMFUL if moderation.said(text, moderation.RED_STAR) is None]
    assert missed == ["A star, and red.", "A crimson star"]  # a list of words finds the words of the list


@pytest.mark.parametrize(
    ("question", "allowed"),
    [
        ("How many findings are there?", True),
        (" where is the red star?", True),
        ("Is it malignant?", False),
        ("Should he take more aspirin?", False),
        ("What does it mean?", False),
        ("", False),
    ],
)
def test_only_what_can_be_seen_is_answered(question, allowed):
    assert medical.may_answer(question) is allowed


def test_numbers_make_questions_and_their_answers():
    numbers = {"red": 2.0, "blue": 7.0, "green": 1.0}
    assert education.questions_from(numbers) == {education.TALLEST: "blue", education.COUNT: "three"}
    assert education.about("red", numbers) == "The red bar is 2.0, number 2 of 3; the tallest is blue."
    assert education.read_text("Nothing of the kind.") == {}


def test_the_same_seed_makes_the_same_cases():
    for make in (cases.posts, cases.figures, cases.listings, cases.pairs, cases.scans):
        first, second = make(12, "a"), make(12, "a")
        assert repr(first) == repr(second)
        assert repr(first) != repr(make(12, "b"))


def test_truths_are_balanced_so_that_precision_means_something():
    assert 6 < sum(bad for _, bad in cases.posts(30, "balance", (0.0,))) < 24
    assert 6 < sum(bad for _, bad in cases.figures(30, "balance", (0.0,))) < 24


def test_measurements_are_stored_with_their_command():
    stored = json.loads(RESULTS.read_text("utf-8"))
    assert stored["command"] == "python tests/benchmarks/bench_applications.py"
    tables = [found for found in stored.values() if isinstance(found, dict) and "labels" in found]
    assert len(tables) == 12
    for found in tables:
        fault = found["labels"]["fault"]
        assert found["rows"] >= 100
        assert fault["recall"]["low"] <= fault["recall"]["value"] <= fault["recall"]["high"]
        assert sum(found["decisions"].values()) == found["rows"]


# --------------------------------------------------------------------------------------------- with an engine


def drawn(*names: str) -> np.ndarray:
    """A clear picture of some shapes, such as "red star"."""
    rng = random.Random(" ".join(names))
    while True:
        scene = shapes.sample_scene(rng, 112, 112, count=len(names))
        if sorted(shape.name for shape in scene.shapes) == sorted(names):
            return second_renderer.draw_scene(scene, np.random.default_rng(0))


@pytest.mark.vllm
class TestHears:
    @pytest.fixture(scope="class")
    def engine(self):
        with Engine("tiny-omni", quiet=True) as engine:
            yield engine

    def test_a_follow_up_needs_the_picture(self, engine):
        said = {}
        for keep in ((), ("image",)):
            talk = Conversation(engine, keep)
            talk.say("Describe the image.", image=DATA / "circle_and_square.png")
            said[keep] = talk.say("What color is the spoken shape?", audio=DATA / "circle.flac").text
            assert [turn.answer for turn in talk.turns][1] == said[keep]
        assert said["image",] == "red"
        assert said[()] != "red"

    def test_a_turn_that_fails_is_forgotten(self, engine):
        talk = Conversation(engine)
        talk.say("Describe the image.", image=DATA / "circle_and_square.png")
        with pytest.raises(Exception, match="missing"):
            talk.say("And this?", image=DATA / "missing.png")
        assert len(talk.turns) == 1
        assert talk.say("How many shapes are there?").text == "two"

    def test_a_note_that_says_another_number_is_found(self, engine):
        clips = {word: load_audio(DATA / f"{word}.flac") for word in ("one", "two", "three")}
        notes = [medical.Study(None, "Frontal view: two findings.", clips[word]) for word in clips]
        rows = check([medical.heard_claims(study) for study in notes], engine, choice=tuple(clips))
        assert [row["decision"] for row in rows] == ["act", "allow", "act"]
        assert [row["seen"] for row in rows] == ["one", "two", "three"]
        assert rows[0]["where"] == "spoken note"

    def test_a_spoken_answer_is_marked(self, engine):
        rows = check([education.spoken_answer(DATA / "green.flac", right) for right in ("green", "red")], engine)
        assert [row["decision"] for row in rows] == ["allow", "act"]


@pytest.mark.vllm
class TestSees:
    @pytest.fixture(scope="class")
    def engine(self):
        with Engine("tiny-qwen2-vl", quiet=True) as engine:
            yield engine

    def test_posts_are_decided_with_evidence_and_none_is_lost(self, engine):
        good, bad = drawn("red circle", "blue star"), drawn("blue circle", "red star")
        film = cases.Video(np.stack([good, good, bad]), np.arange(3) / 2, np.arange(3), 2.0, 3, 1.5)
        posts = [
            moderation.Post("hello", image=good),
            moderation.Post("hello", image=bad),
            moderation.Post(video=film),
            moderation.Post("a rеd stаr"),
            moderation.Post("words alone"),
            moderation.Post("hello", image=b"no picture"),
        ]
        rows = moderation.moderate(posts, engine, moderation.RED_STAR, EVEN)
        assert [row["case"] for row in rows] == list(range(6))
        assert [row["decision"] for row in rows] == ["allow", "act", "act", "act", "allow", "review"]
        assert rows[1]["place"] in ("left", "right", "top", "bottom")
        assert rows[2]["where"] == "1.00 s"
        assert (rows[3]["where"], rows[3]["seen"]) == ("text", "red star")
        assert rows[5]["error"]["type"] == "UnsupportedFormat"
        assert all(row["policy"] == "red-star/1" for row in rows)

    def test_a_figure_is_checked_against_its_numbers_and_its_text(self, engine):
        figures = cases.figures(12, "test", wears=(0.0,))
        rows = check([education.claims_of(figure) for figure, _ in figures], engine)
        assert [row["decision"] != "allow" for row in rows] == [fault for _, fault in figures]
        (figure, _) = next(pair for pair in figures if not pair[1])
        text = figure.text.replace("bars; the", "bars; the very")  # now it states the number of bars alone
        assert education.read_text(text).keys() == {education.COUNT}

    def test_a_report_that_counts_wrong_is_found(self, engine):
        picture = drawn("red circle", "blue star")
        studies = [medical.Study(picture, f"Frontal view: {n} findings.", None) for n in ("two", "three")]
        rows = check([medical.seen_claims(study) for study in studies], engine)
        assert [row["decision"] for row in rows] == ["allow", "act"]

    def test_a_listing_is_checked_against_its_picture(self, engine):
        listings = cases.listings(60, "test", wears=(0.0,))
        one = [next(item for item, w in listings if w == fault) for fault in ("", "color", "shape")]
        rows = check([commerce.seen_claims(listing) for listing in one], engine)
        assert [row["decision"] for row in rows] == ["allow", "act", "act"]

    def test_a_case_without_claims_is_allowed(self, engine):
        rows = check([[], [Claim("two", "How many shapes are there?", (drawn("red star"),))]], engine)
        assert [row["decision"] for row in rows] == ["allow", "act"]
        assert rows[0]["doubt"] == 0.0


@pytest.mark.vllm
class TestReads:
    @pytest.fixture(scope="class")
    def engine(self):
        with Engine("tiny-reader", quiet=True) as engine:
            yield engine

    def test_burned_in_names_are_hidden_and_marks_stay(self, engine):
        scans = cases.scans(24, "test")
        read = medical.find_text([scan.picture for scan in scans], engine)
        least = json.loads(RESULTS.read_text("utf-8"))["medical, burned-in names"]["thresholds"]["low"]
        in_vain = 0
        for scan, answers in zip(scans, read, strict=True):
            clean = medical.hide(scan.picture, answers, least)
            hidden = {n for n, place in enumerate(medical.strips(scan.picture)) if (clean[place] == 0).all()}
            assert scan.strip is None or scan.strip in hidden, scan.text
            in_vain += len(hidden - {scan.strip})
            assert (clean[24:-24] == scan.picture[24:-24]).all()
        assert in_vain <= 2  # of 74 strips, 24 of them with a mark: an AP and an L are misread

    def test_a_price_is_read_with_its_marks(self, engine):
        listings = cases.listings(60, "test", wears=(0.0,))
        right, wrong = (next(item for item, w in listings if w == fault) for fault in ("", "price"))
        rows = check([commerce.read_claims(listing) for listing in (right, wrong)], engine)
        assert [row["decision"] for row in rows] == ["allow", "act"]
        assert {row["where"] for row in rows} == {"price tag"}


@pytest.mark.vllm
class TestFinds:
    @pytest.fixture(scope="class")
    def engine(self):
        with Engine("tiny-clip", quiet=True) as engine:
            yield engine

    def test_two_photographs_of_one_thing_are_near(self, engine):
        again = cases.wear(drawn("red star"), 1.0, np.random.default_rng(0))
        photos = [drawn("blue circle"), drawn("red star"), b"no picture", again]
        found = commerce.near_duplicates(photos, engine, least=0.8)
        assert [pair[:2] for pair in found] == [(1, 3)]

    def test_a_review_of_another_product_is_found(self, engine):
        pictures = np.stack(engine.embed(images=[drawn("red star"), drawn("blue circle")]))
        reviews = [("My red star shines.", 0), ("My red star shines.", 1), ("Great!", 1)]
        rows = commerce.check_reviews(reviews, pictures, engine)
        assert [row["decision"] for row in rows] == ["allow", "act", "allow"]
        assert rows[1]["nearest"] == 0
