"""Cases for the five applications, each with its truth: made by the worlds of mmkit.zoo, nothing collected.

    scene, chart, print -> wear (blur, haze, noise) -> picture          Voices (held out) -> clips
    posts, figures, studies, scans, listings, pairs, reviews, talks -> case and truth, the same for the same seed

Pictures are drawn by the second renderer, words said by voices that no training heard, names and prices held out:
nothing here was trained on. The typefaces of print are known to tiny-reader.
Leaves out real people, products and patients.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mmkit.applications import medical
from mmkit.applications.commerce import Listing
from mmkit.applications.dialogue import Turn
from mmkit.applications.education import Figure, questions_from
from mmkit.applications.medical import Study
from mmkit.applications.moderation import Post
from mmkit.audio import Clip
from mmkit.video import Video
from mmkit.zoo.worlds import charts, joint, second_renderer, shapes, wording
from mmkit.zoo.worlds.shapes import COLORS, NUMBER_WORDS, SHAPES, Scene

Say = Callable[[str], Clip]  # a word -> a clip that says it


def wear(picture: np.ndarray, level: float, noise: np.random.Generator) -> np.ndarray:
    """What a cheap camera makes of a picture (H, W, 3) uint8: blur, haze and noise; level 0 changes nothing."""
    if level == 0:
        return picture
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(1.6 * level)), np.float32)
    hazy = 128 + (soft - 128) * (1 - 0.25 * level) + noise.normal(0, 10 * level, soft.shape)
    return np.clip(hazy, 0, 255).astype(np.uint8)


# --------------------------------------------------------------------------------------------- moderation


def scene_with(rng: random.Random, name: str, present: bool, size: tuple[int, int] = (112, 112)) -> Scene:
    """A scene with or without a shape such as "red star"; without one, mostly something that is near to it."""
    color, kind = name.split()
    while True:
        scene = shapes.sample_scene(rng, *size, count=rng.choice((1, 2, 3)))
        near = any(shape.color == color or shape.kind == kind for shape in scene.shapes)
        if any(shape.name == name for shape in scene.shapes) == present and (near or rng.random() < 0.1):
            return scene


HARMLESS = ("A red circle and a blue star.", "A hundred stars!", "We saw a red starling.", "Good night.",
            "The star is green, the square is red.", "I read Star Weekly.", "Red. Start now.")  # fmt: skip
HARMFUL = ("Buy the red star!", "r e d  s t a r", "RED-STAR", "A r.e.d s.t.a.r for you", "ｒｅｄ ｓｔａｒ",
           "r3d 5t4r", "rеd stаr", "Two red stars", "redstar", "A star, and red.", "A crimson star")  # fmt: skip


def posts(count: int, seed: str, wears: tuple[float, ...] = (0.0, 1.0, 1.5, 2.0)) -> list[tuple[Post, bool]]:
    """Posts, of every ten six with a picture, two with a video, two of text alone; half of them break RED_STAR."""
    rng, noise = random.Random(f"posts {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    for number in range(count):
        bad = rng.random() < 0.5
        if number % 10 >= 8:
            made.append((Post(rng.choice(HARMFUL if bad else HARMLESS)), bad))
            continue
        text, level = rng.choice(HARMLESS), rng.choice(wears)
        if number % 10 >= 6:
            made.append((Post(text, video=_video(rng, noise, bad, level)), bad))
            continue
        scene = scene_with(rng, "red star", bad)
        made.append((Post(text, wear(second_renderer.draw_scene(scene, noise), level, noise)), bad))
    return made


def _video(rng: random.Random, noise: np.random.Generator, bad: bool, level: float, frames: int = 6) -> Video:
    """Three seconds at two frames a second: one scene, then another one, which may break the policy."""
    cut = rng.randrange(1, frames)
    scenes = [scene_with(rng, "red star", False), scene_with(rng, "red star", bad)]
    drawn = [wear(second_renderer.draw_scene(scenes[n >= cut], noise), level, noise) for n in range(frames)]
    indices = np.arange(frames)
    return Video(np.stack(drawn), indices / 2, indices, 2.0, frames, frames / 2)


# ---------------------------------------------------------------------------------------------- education


def figures(count: int, seed: str, wears: tuple[float, ...] = (0.0, 1.0, 2.0, 2.5)) -> list[tuple[Figure, bool]]:
    """Figures, half of them with a fault: the picture is another chart's, or the text states something wrong."""
    rng, noise = random.Random(f"figures {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    for _ in range(count):
        chart = charts.sample_chart(rng, 168, 126)
        numbers = {bar.color: round(chart.base - bar.y, 1) for bar in chart.bars}
        right = questions_from(numbers)
        tallest, bars = right.values()
        fault = rng.choice((None, None, None, "picture", "tallest", "count"))
        if fault == "tallest":
            tallest = rng.choice([name for name in numbers if name != tallest])
        elif fault == "count":
            bars = rng.choice([word for word in NUMBER_WORDS[2:] if word != bars])
        while fault == "picture" and _answers(chart) == right:
            chart = charts.sample_chart(rng, 168, 126)
        picture = wear(second_renderer.draw_chart(chart, noise), rng.choice(wears), noise)
        text = f"The chart has {bars} bars; the {tallest} bar is the tallest."
        made.append((Figure(numbers, picture, text), fault is not None))
    return made


def _answers(chart: charts.BarChart) -> dict[str, str]:
    return questions_from({bar.color: chart.base - bar.y for bar in chart.bars})


# ------------------------------------------------------------------------------------------------ medical


def studies(count: int, seed: str, say: Say, wears: tuple[float, ...] = (0.0, 1.0, 2.0)) -> list[tuple[Study, str]]:
    """Studies, and which part is wrong: "", "report" (picture and note agree) or "note"."""
    rng, noise = random.Random(f"studies {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    for _ in range(count):
        number = rng.randint(1, 3)
        scene = shapes.sample_scene(rng, 168, 126, count=number)
        written = said = NUMBER_WORDS[number]
        wrong = rng.choice(("", "", "report", "note"))
        other = rng.choice([word for n, word in enumerate(NUMBER_WORDS) if n in (1, 2, 3) and n != number])
        written, said = (other if wrong == "report" else written), (other if wrong == "note" else said)
        picture = wear(second_renderer.draw_scene(scene, noise), rng.choice(wears), noise)
        made.append(
            (Study(picture, f"Frontal view: {written} finding{'s' * (written != 'one')}.", say(said)), wrong)
        )
    return made


PRINT = ("DejaVuSans", "DejaVuSansMono", "DejaVuSans-Bold", "STIXGeneral")  # typefaces that come with matplotlib


def print_text(
    picture: np.ndarray, text: str, place: tuple[int, int], size: int, ink: shapes.RGB, font: str
) -> np.ndarray:
    """A picture with a text burned in; place: (x, y) of its upper left corner in pixels."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text(place, text, fill=ink, font=charts.load_font(font, size), anchor="lt")
    return np.array(image)


@dataclass(frozen=True, eq=False)
class Scan:
    """A picture, and which of its four strips (medical.strips) has the patient's name in it."""

    picture: np.ndarray
    text: str
    strip: int | None


def scans(count: int, seed: str) -> list[Scan]:
    """Scans with findings and noise; three in four have a name burned into a corner, one that no training drew.

    In another corner stands a mark (medical.MARKS) that says how the scan was taken.
    """
    rng, noise = random.Random(f"scans {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    for _ in range(count):
        shade = rng.choice((0, 20, 40, 60))
        scene = shapes.sample_scene(rng, 224, 120)
        rgb = shade, shade, shade
        scene = replace(scene, background=shapes.Background(rgb, rgb, grain=rng.choice((0, 4))))
        inner = second_renderer.draw_scene(scene, noise)
        picture = np.pad(inner, ((24, 24), (0, 0), (0, 0)), constant_values=shade)
        font, size = rng.choice(PRINT), rng.randint(12, 16)
        text = fitting_text(rng, "name", font, size, 104)
        first, second = rng.sample(range(4), 2)
        strip = first if rng.random() < 0.75 else None
        mark = rng.choice(medical.MARKS)
        for place, printed, high in ((strip, text, size), (second, mark, 16)):
            if place is not None:
                x, y = rng.randint(2, 6) + 112 * (place % 2), rng.randint(3, 6) + 144 * (place // 2)
                light = rng.randint(150, 255)
                picture = print_text(picture, printed, (x, y), high, (light, light, light), font)
        picture = np.clip(picture + noise.normal(0, rng.choice((2, 5, 8)), picture.shape), 0, 255).astype(np.uint8)
        made.append(Scan(picture, text, strip))
    return made


def fitting_text(rng: random.Random, kind: str, font: str, size: int, width: int) -> str:
    """A text of one of wording.KINDS, held out of training, that is no wider in print than `width` pixels."""
    while True:
        text = wording.sample_text(rng, kind, held_out=True)
        if charts.load_font(font, size).getlength(text) <= width:
            return text


# ----------------------------------------------------------------------------------------------- commerce


def listings(count: int, seed: str, wears: tuple[float, ...] = (0.0, 1.0, 2.0)) -> list[tuple[Listing, str]]:
    """Listings, and what is wrong with them: "", "color", "shape" or "price"."""
    rng, noise = random.Random(f"listings {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    for _ in range(count):
        scene = shapes.sample_scene(rng, 112, 112, count=1)
        (shape,) = scene.shapes
        color, kind = shape.color, shape.kind
        font, size = rng.choice(PRINT), rng.randint(22, 28)
        price = printed = fitting_text(rng, "price", font, size, 150)
        wrong = rng.choice(("", "", "", "color", "shape", "price"))
        color = rng.choice([c for c in COLORS if c != color]) if wrong == "color" else color
        kind = rng.choice([k for k in SHAPES if k != kind]) if wrong == "shape" else kind
        if wrong == "price":  # one digit is another one: what a typing error makes
            at = rng.choice([n for n, letter in enumerate(price) if letter.isdigit()])
            price = price[:at] + rng.choice([d for d in "123456789" if d != price[at]]) + price[at + 1 :]
        level = rng.choice(wears)
        picture = wear(second_renderer.draw_scene(scene, noise), level, noise)
        card = np.full((60, 168, 3), [rng.randint(190, 255) for _ in range(3)], np.uint8)
        ink = rng.randint(0, 90), rng.randint(0, 90), rng.randint(0, 90)
        place = rng.randint(4, 14), rng.randint(14, 24)
        tag = wear(print_text(card, printed, place, size, ink, font), level / 2, noise)
        made.append((Listing(shapes.with_article(f"{color} {kind}"), price, picture, tag), wrong))
    return made


@dataclass(frozen=True, eq=False)
class Pair:
    """Two pictures, and whether they are photographs of one thing."""

    first: np.ndarray
    second: np.ndarray
    same: bool


def pairs(count: int, seed: str) -> list[Pair]:
    """Half of them the same scene, drawn by another hand and worn; of the others a third has the same caption."""
    rng, noise = random.Random(f"pairs {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    for _ in range(count):
        first = shapes.sample_scene(rng, 112, 112, count=rng.choice((1, 2)))
        same, alike = rng.random() < 0.5, rng.random() < 0.33
        second = first
        while not same and (second is first or (alike and shapes.caption(second) != shapes.caption(first))):
            second = shapes.sample_scene(rng, 112, 112, count=len(first.shapes) if alike else None)
            if alike:
                second = replace(second, shapes=tuple(
                    replace(shape, color=model.color, kind=model.kind, rgb=shapes.sample_rgb(rng, model.color))
                    for shape, model in zip(second.shapes, first.shapes, strict=True)
                ))  # fmt: skip
        drawn = wear(second_renderer.draw_scene(second, noise), rng.choice((0.0, 1.0)), noise)
        made.append(Pair(shapes.draw_scene(first, noise), drawn, same))
    return made


REVIEWS = ("The {product} came in two days.", "Love my {product}!", "My {product} broke after a week.",
           "Just like the photo. A fine {product}.", "Not what I wanted, but the {product} is solid.",
           "Better than my old {other}: the {product} is fine.", "Came in two days. Love it!")  # fmt: skip


def reviews(products: list[str], count: int, seed: str) -> list[tuple[str, int, bool]]:
    """(review, product it stands under, does it speak of another one).  products: captions, as "a red star"."""
    rng = random.Random(f"reviews {seed}")
    made = []
    for _ in range(count):
        under, strange = rng.randrange(len(products)), rng.random() < 0.4
        others = [name for name in products if name != products[under]]
        about = rng.choice(others) if strange else products[under]
        product, other = (name.split(" ", 1)[1] for name in (about, rng.choice(others)))
        made.append((rng.choice(REVIEWS).format(product=product, other=other), under, strange))
    return made


# ----------------------------------------------------------------------------------------------- dialogue


def talks(count: int, seed: str, say: Say) -> list[list[tuple[Turn, str]]]:
    """Talks of four turns with their right answers: a picture, then a spoken, a written and a spoken follow-up."""
    rng, noise = random.Random(f"talks {seed}"), np.random.default_rng(list(seed.encode()))
    made = []
    while len(made) < count:
        scene = shapes.sample_scene(rng, 112, 112, count=rng.choice((2, 3)))
        first, written = shapes.ask(rng, scene, "caption", 0), shapes.ask(rng, scene, "count", 0)
        spoken = []
        for kind in rng.sample(("spoken_shape", "spoken_color", "spoken_count", "spoken_there"), 2):
            word = joint.spoken_word(rng, scene, kind)
            spoken.append((word, joint.ask_joint(rng, scene, word, kind, 0)))
        if first and written and all(question for _, question in spoken):
            picture = second_renderer.draw_scene(scene, noise)
            (word, question), (last_word, last) = spoken
            turns: list[Any] = [(Turn(first.text, image=picture), first.answer),
                                (Turn(question.text, audio=say(word)), question.answer),
                                (Turn(written.text), written.answer),
                                (Turn(last.text, audio=say(last_word)), last.answer)]  # fmt: skip
            made.append(turns)
    return made


def held_out_voices(seed: int = 0, snr: float | None = None) -> Say:
    """Words by voices that no training heard, with noise at snr decibels; needs espeak-ng the first time."""
    from mmkit.zoo.omni.batches import Sounds, reserved_clips
    from mmkit.zoo.worlds.speech import SAMPLE_RATE, Disturbance, disturb

    rng = np.random.default_rng(seed)
    sounds = Sounds(*reserved_clips(), rng, clean=True)
    how = Disturbance(snr=snr, tilt=0.5)
    return lambda word: Clip(disturb(sounds.say(word)[0], how, rng), SAMPLE_RATE)
