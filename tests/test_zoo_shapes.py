"""The shapes world, numbers and charts, and the second renderer.

Oracle: the scene itself. Answers are derived here a second time, from the scene's plain values or from the
pixels, never by the functions under test.
"""

import colorsys
import json
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit.zoo.worlds import charts, forms, second_renderer, shapes

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(84, 224), st.integers(84, 224)).filter(lambda s: 0.5 <= s[0] / s[1] <= 2)
BLACK = shapes.Background((0, 0, 0), (0, 0, 0))


def scene_of(*things, width=112, height=112):
    """A scene from (colour, kind, x, y)."""
    placed = [shapes.Shape(kind, color, x, y, 12, 0.0, shapes.PURE[color][0]) for color, kind, x, y in things]
    return shapes.Scene(width, height, BLACK, tuple(sorted(placed, key=lambda shape: shape.x)))


THREE = scene_of(("red", "circle", 20, 50), ("blue", "square", 60, 56), ("red", "star", 95, 60))


@pytest.mark.parametrize(
    ("things", "words"),
    [
        ([], "no shapes"),
        ([("red", "circle", 20, 20)], "a red circle"),
        ([("blue", "square", 90, 20), ("red", "circle", 20, 90)], "a red circle and a blue square"),
        (
            [("green", "star", 100, 5), ("blue", "square", 50, 20), ("orange", "circle", 20, 90)],
            "an orange circle, a blue square and a green star",
        ),
    ],
)
def test_captions_go_from_left_to_right(things, words):
    assert shapes.caption(scene_of(*things)) == words


@pytest.mark.parametrize(
    ("x", "y", "size", "side"),
    [
        (20, 50, (112, 112), "left"),
        (95, 60, (112, 112), "right"),
        (60, 10, (112, 112), "top"),
        (50, 100, (112, 112), "bottom"),
        (56, 56, (112, 112), None),  # in the middle
        (20, 20, (112, 112), None),  # in a corner
        (50, 20, (200, 100), "left"),
    ],
)
def test_place_is_the_larger_offset(x, y, size, side):
    scene = scene_of(("red", "circle", x, y), width=size[0], height=size[1])
    assert shapes.place(scene.shapes[0], scene) == side


@given(SEEDS, SIZES)
@settings(max_examples=60, deadline=None)
def test_shapes_are_whole_apart_visible_and_ordered(seed, size):
    scene = shapes.sample_scene(random.Random(seed), *size)
    assert len(scene.shapes) <= 3
    for i, one in enumerate(scene.shapes):
        assert one.r < one.x < size[0] - one.r
        assert one.r < one.y < size[1] - one.r
        assert shapes.visible(one.rgb, scene.background)
        for other in scene.shapes[i + 1 :]:
            assert other.x - one.x > 0.06 * min(size)
            assert np.hypot(one.x - other.x, one.y - other.y) > 1.1 * (one.r + other.r)


@given(SEEDS, st.sampled_from(tuple(shapes.COLORS)))
@settings(max_examples=200, deadline=None)
def test_a_shade_lies_in_its_colours_region(seed, color):
    """Read back through HSV: every shade, pure ones too, is nearest to its own name's hues."""
    rgb = shapes.sample_rgb(random.Random(seed), color)
    hue = 360 * colorsys.rgb_to_hsv(*(v / 255 for v in rgb))[0]

    def away(name):
        low, high = shapes.COLORS[name][0]
        return min(max(low - h, h - high, 0) for h in (hue, hue - 360))

    assert min(shapes.COLORS, key=away) == color
    assert away(color) < 1.5  # degrees; rounding to bytes turns dark shades by a little


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_answers_are_right(seed):
    rng = random.Random(seed)
    scene = shapes.sample_scene(rng)
    names = [(s.color, s.kind) for s in scene.shapes]
    for kind in shapes.SINGLE_KINDS:
        question = shapes.ask(rng, scene, kind, 0)
        if question is None:
            assert kind in ("color", "shape", "where")
            continue
        words = question.text.rstrip("?.").split()
        if kind == "color":
            assert [c for c, k in names if k == words[-1]] == [question.answer]
        elif kind == "shape":
            assert [k for c, k in names if c == words[-1]] == [question.answer]
        elif kind == "count":
            assert question.answer == ("zero", "one", "two", "three")[len(names)]
        elif kind == "count_color":
            assert question.answer == shapes.NUMBER_WORDS[sum(c == words[2] for c, _ in names)]
        elif kind == "count_shape":
            singular = words[2].removesuffix("es") if words[2] == "crosses" else words[2].removesuffix("s")
            assert singular in shapes.SHAPES
            assert question.answer == shapes.NUMBER_WORDS[sum(k == singular for _, k in names)]
        elif kind == "is_there":
            assert question.answer == ("yes" if tuple(words[-2:]) in names else "no")
            assert words[2] == ("an" if words[3] == "orange" else "a")


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_answers_on_pairs_are_right(seed):
    rng = random.Random(seed)
    first, second = shapes.sample_scene(rng), shapes.sample_scene(rng)
    has = shapes.ask_pair(rng, first, second, "which_has", 0)
    if has:
        name = tuple(has.text.rstrip("?").split()[-2:])
        held = [any((s.color, s.kind) == name for s in scene.shapes) for scene in (first, second)]
        assert held == [has.answer == "first", has.answer == "second"]
    more = shapes.ask_pair(rng, first, second, "which_more", 0)
    if more:
        assert (len(first.shapes) > len(second.shapes)) == (more.answer == "first")
    else:
        assert len(first.shapes) == len(second.shapes)


def test_questions_that_have_no_answer_are_not_asked():
    rng = random.Random(0)
    twins = scene_of(("red", "circle", 20, 20), ("red", "circle", 90, 90))
    for kind in ("color", "shape", "where"):
        assert shapes.ask(rng, twins, kind) is None
    assert shapes.ask_pair(rng, THREE, THREE, "which_has") is None
    assert shapes.ask_pair(rng, THREE, THREE, "which_more") is None
    with pytest.raises(ValueError, match="unknown kind"):
        shapes.ask(rng, THREE, "taste")


@pytest.mark.parametrize("draw_clip", [shapes.draw_clip, second_renderer.draw_clip])
@pytest.mark.parametrize("seed", range(8))
def test_a_clip_moves_where_it_says(draw_clip, seed):
    """From the pixels: the middle of what differs from the ground moves in the named direction."""
    clip = shapes.sample_clip(random.Random(seed), 112, 112, 6)
    frames = draw_clip(clip, np.random.default_rng(seed)).astype(int)
    ground = np.median(frames.reshape(6, -1, 3), axis=1)[:, None, None]
    middles = []
    for frame, shade in zip(frames, ground, strict=True):
        away = np.abs(frame - shade).sum(-1)
        if clip.scene.background.start != clip.scene.background.end:
            pytest.skip("a ground that runs from shade to shade has no single colour to subtract")
        y, x = np.nonzero(away > 0.6 * away.max())
        middles.append((x.mean(), y.mean()))
    dx, dy = np.subtract(middles[-1], middles[0])
    found = ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("up" if dy < 0 else "down")
    assert found == clip.direction


@pytest.mark.parametrize("renderer", [shapes, second_renderer])
@pytest.mark.parametrize("size", [(112, 112), (84, 168), (224, 130)])
def test_pictures_have_the_scenes_size(renderer, size):
    scene = shapes.sample_scene(random.Random(1), *size)
    picture = renderer.draw_scene(scene, np.random.default_rng(0))
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


def test_the_second_renderer_differs_and_shows_the_same():
    """Smooth edges, other shades: most of a shape's rim differs, and its middle keeps its colour's name."""
    rng = random.Random(0)
    differing = 0
    for seed in range(20):
        scene = shapes.sample_scene(rng, count=2)
        one = shapes.draw_scene(scene, np.random.default_rng(seed)).astype(int)
        two = second_renderer.draw_scene(scene, np.random.default_rng(seed)).astype(int)
        differing += np.abs(one - two).max() > 20
        for shape in scene.shapes:
            r, g, b = two[round(shape.y), round(shape.x)]
            hue = 360 * colorsys.rgb_to_hsv(r / 255, g / 255, b / 255)[0]
            low, high = shapes.COLORS[shape.color][0]
            # JPEG stores colour at half the resolution, so small shapes take a little of the ground's
            assert min(max(low - h, h - high, 0) for h in (hue, hue - 360)) < 20
    assert differing == 20


def test_the_second_renderers_proportions_and_shades_are_not_in_training():
    noise = np.random.default_rng(0)
    for _ in range(200):
        star, cross = second_renderer._build(noise)
        assert not 0.38 < star < 0.50
        assert not 0.26 < cross < 0.36
    for color, shades in second_renderer.SHADES.items():
        assert not set(shades) & set(shapes.PURE[color])


@given(SEEDS, SIZES)
@settings(max_examples=60, deadline=None)
def test_numbers_are_whole(seed, size):
    number = charts.sample_number(random.Random(seed), *size)
    half = charts.digit_advance(number) * len(number.digits) / 2
    assert number.x - half > -2
    assert number.x + half < size[0] + 2
    assert str(int(number.digits)) == number.digits
    assert charts.ask_number(random.Random(seed), number, 0).answer == number.digits


@given(SEEDS, SIZES)
@settings(max_examples=60, deadline=None)
def test_charts_have_one_tallest_bar(seed, size):
    rng = random.Random(seed)
    chart = charts.sample_chart(rng, *size)
    heights = {bar.color: chart.base - bar.y for bar in chart.bars}
    assert len(heights) == len(chart.bars) in (2, 3, 4)
    ordered = sorted(heights.values())
    assert ordered[-1] - ordered[-2] > 0.09 * size[1]
    assert heights[charts.ask_chart(rng, chart, "tallest", 0).answer] == ordered[-1]
    assert charts.ask_chart(rng, chart, "count_bars", 0).answer == ("two", "three", "four")[len(heights) - 2]


@pytest.mark.parametrize("renderer", [charts, second_renderer])
def test_a_bars_pixels_reach_its_height(renderer):
    """From the pixels: above each bar's top is ground, below it is ink."""
    rng = random.Random(4)
    for seed in range(10):
        chart = charts.sample_chart(rng, 168, 168)
        picture = renderer.draw_chart(chart, np.random.default_rng(seed)).astype(int)
        for bar in chart.bars:
            x = round((bar.x0 + bar.x1) / 2)
            inside, outside = picture[round(bar.y) + 4, x], picture[max(0, round(bar.y) - 5), x]
            assert np.abs(inside - outside).max() > 15


def test_every_phrasing_can_be_said():
    rng = random.Random(0)
    for kind in shapes.SINGLE_KINDS:
        for i in range(len(shapes.PHRASINGS[kind])):
            for _ in range(3):
                question = shapes.ask(rng, THREE, kind, i)
                assert question is not None
                assert "{" not in question.text


# ---------------------------------------------------------------------------------------------- answers in JSON


def facts(scene, shape):
    """What is true of one shape, from its plain values."""
    side = (scene.width * scene.height) ** 0.5
    return {shape.color, shape.kind, "small" if shape.r < 0.16 * side else "large", shapes.place(shape, scene)}


@given(SEEDS, SIZES)
@settings(max_examples=150)
def test_fields_hold_facts_of_one_shape_and_the_count(seed, size):
    rng = random.Random(seed)
    scene = shapes.sample_scene(rng, *size)
    question = forms.ask_fields(rng, scene)
    told = json.loads(question.answer)
    assert 1 <= len(told) <= 4
    words = [value for value in told.values() if isinstance(value, str) and value not in shapes.NUMBER_WORDS]
    counts = [value for value in told.values() if value not in words]
    assert all(value in (len(scene.shapes), shapes.NUMBER_WORDS[len(scene.shapes)]) for value in counts)
    fits = [shape for shape in scene.shapes if set(words) <= facts(scene, shape)]
    assert fits or not words
    named = [
        s for s in scene.shapes if re.search(rf"\b(the {s.kind}|the {s.color} shape|the {s.name})\b", question.text)
    ]
    assert not named or set(words) <= facts(scene, named[0]) or named[0].kind not in question.text


@given(SEEDS)
@settings(max_examples=100)
def test_a_list_holds_all_shapes_from_left_to_right(seed):
    rng = random.Random(seed)
    scene = shapes.sample_scene(rng)
    told = json.loads(forms.ask_list(rng, scene).answer)
    (listed,) = (value for value in told.values() if isinstance(value, list))
    assert [set(each.values()) for each in listed] == [{s.color, s.kind} for s in scene.shapes]
    assert set(told) - {"count"} <= {"shapes", "objects", "items"}
    assert told.get("count", len(listed)) in (len(listed), shapes.NUMBER_WORDS[len(listed)])


@given(SEEDS)
@settings(max_examples=60)
def test_numbers_and_charts_in_json(seed):
    rng = random.Random(seed)
    number, chart = charts.sample_number(rng), charts.sample_chart(rng)
    (read,) = json.loads(forms.ask_number(rng, number).answer).values()
    assert str(read) == number.digits
    tallest = min(chart.bars, key=lambda bar: bar.y).color
    known = {tallest, len(chart.bars), shapes.NUMBER_WORDS[len(chart.bars)]}
    assert set(json.loads(forms.ask_chart(rng, chart).answer).values()) <= known


def test_a_form_that_is_given_leaves_only_what_is_open_to_the_model():
    """By hand: brackets, names and commas are the grammar's; values, their ends and a list's end are not."""
    shapes_list = [{"color": "red"}, {"color": "blue"}]
    pieces = forms.written([("count", "two"), ("shapes", shapes_list)], form=False)
    assert "".join(text for text, _ in pieces) == '{"count":"two","shapes":[{"color":"red"},{"color":"blue"}]}'
    assert "".join(text if own else "." * len(text) for text, own in pieces) == (
        '..........two".....................red"},..........blue"}]}'
    )
    told = forms.written([("color", "red"), ("count", "two")], form=True)
    assert [text for text, own in told if not own] == ['"']  # a number as a word: the question does not say so
