"""The shipped tiny-omni in vLLM and in transformers: the same tokens and log-probabilities, batched and alone.

Oracle: the transformers twin by `generate`, one question at a time.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import shipped
from mmkit.audio import load_audio
from mmkit.engine import Engine, Settings
from mmkit.errors import LimitExceeded, PlaceholderMismatch
from mmkit.models.omni import parity
from mmkit.models.omni.parity import Question
from mmkit.preprocessor import Embedding, MultiModalSample
from mmkit.zoo.vision.batches import sample_size
from mmkit.zoo.worlds import joint, shapes, speech

pytestmark = pytest.mark.vllm
COUNT = 300
DATA = Path(__file__).parents[1] / "data"
SPOKEN = {"red": "red.flac", "green": "green.flac", "circle": "circle.flac", "three": "three.flac"}


@pytest.fixture(scope="module")
def folder():
    return Path(shipped.resolve("tiny-omni"))


@pytest.fixture(scope="module")
def engine(folder):
    with Engine("tiny-omni", settings=Settings(enable_mm_embeds=True)) as engine:
        yield engine


def of_the_world(count: int) -> list[Question]:
    """Questions that the model was made for: about a picture, a clip, both, or nothing at all."""
    rng, noise = random.Random(5), np.random.default_rng(5)
    words = {word: load_audio(DATA / name).wave for word, name in SPOKEN.items()}
    asked = []
    while len(asked) < count:
        scene = shapes.sample_scene(rng, *sample_size(rng))
        picture = Image.fromarray(shapes.draw_scene(scene, noise))
        word = rng.choice(list(words))
        sound = speech.disturb(words[word], speech.random_disturbance(noise), noise)
        kind = rng.choice(("image", "audio", "joint", "joint", "words"))
        if kind == "image":
            question = shapes.ask(rng, scene, rng.choice(shapes.SINGLE_KINDS))
            items = ["<|image|>"]
        elif kind == "audio":
            question = joint.ask_clip(rng, speech.Truth((word,)), rng.choice(joint.AUDIO_KINDS))
            items = ["<|audio|>"]
        else:
            question = joint.ask_joint(rng, scene, word, rng.choice(joint.JOINT_KINDS))
            items = rng.sample(["<|image|>", "<|audio|>"], 2) if kind == "joint" else []
        if question:
            text = f"<|im_start|>user\n{''.join(items)}{question.text}<|im_end|>\n<|im_start|>assistant\n"
            images = (picture,) if "<|image|>" in items else ()
            asked.append(Question(text, images, (sound,) if "<|audio|>" in items else ()))
    return asked


@pytest.fixture(scope="module")
def asked():
    """Two of three from its world, one of three with up to three items of noise in any order."""
    noise = parity.questions(COUNT // 3, seed=3)
    return of_the_world(COUNT - len(noise)) + noise


@pytest.fixture(scope="module")
def theirs(folder, asked):
    torch.set_num_threads(1)
    return parity.ask_transformers(folder, asked, max_tokens=10)


def test_batched_vllm_says_what_transformers_says(engine, asked, theirs):
    assert len(asked) == COUNT
    mixes = {(len(q.images), len(q.waves)) for q in asked}
    assert {(0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (3, 0), (0, 3)} <= mixes
    assert parity.differences(parity.ask_vllm(engine.llm, asked, max_tokens=10), theirs) == []


def test_alone_is_as_in_a_batch(engine, asked, theirs):
    chosen = range(0, COUNT, 5)
    alone = [parity.ask_vllm(engine.llm, [asked[i]], max_tokens=10)[0] for i in chosen]
    assert parity.differences(alone, [theirs[i] for i in chosen]) == []


def test_it_answers_about_a_picture_a_clip_and_both(engine):
    shapes_picture, two = DATA / "three_shapes.png", DATA / "circle_and_square.png"
    ask = engine.ask
    assert ask("How many shapes are there?", images=[shapes_picture]).text == "three"
    assert ask("Which word is said?", audios=[DATA / "red.flac"]).text == "red"
    match = "Is the spoken word the color of the circle?"
    assert ask(match, images=[two], audios=[DATA / "red.flac"]).text == "yes"
    assert ask(match, images=[two], audios=[DATA / "green.flac"]).text == "no"
    number = "Does the number spoken match the number of shapes?"
    assert ask(number, images=[shapes_picture], audios=[DATA / "three.flac"]).text == "yes"
    assert ask(number, images=[two], audios=[DATA / "three.flac"]).text == "no"


def test_embeddings_say_what_their_picture_says(engine, folder):
    """And wrong ones are refused where nothing breaks: the next question is answered."""
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    picture = DATA / "circle_and_square.png"
    with torch.inference_mode():
        pixels = engine.preprocessor.preprocess(MultiModalSample("?", images=(picture,)))["image"]["pixel_values"]
        values = model.image_tower(pixels)[0]
    question = "Describe the image."
    seen = engine.ask(question, images=[picture])
    assert engine.ask(question, images=[Embedding(values)]).text == seen.text
    for wrong in (values[:, :64], values[:15]):
        with pytest.raises(PlaceholderMismatch):
            engine.ask(question, images=[Embedding(wrong)])
    assert engine.ask(question, images=[picture]).text == seen.text


def test_vllm_itself_refuses_wrong_use_before_its_engine(engine):
    """For whoever uses the model without mmkit: rows, width, a clip too short or too long, too many, a video."""
    from vllm import SamplingParams

    def generate(prompt, **data):
        return engine.llm.generate(
            {"prompt": prompt, "multi_modal_data": data}, SamplingParams(max_tokens=2), use_tqdm=False
        )

    wave = np.zeros(16_000, np.float32)
    wrong = [
        ("<|image|>", {"image": [torch.zeros(15, 128)]}, "15 rows; a picture has 16"),
        ("<|image|>", {"image": [torch.zeros(16, 64)]}, "64"),
        ("<|audio|>", {"audio": [(wave[:100], 16_000)]}, "too short"),
        ("<|audio|>", {"audio": [(np.tile(wave, 6), 16_000)]}, "too long"),
        ("<|audio|>" * 5, {"audio": [(wave, 16_000)] * 5}, "At most 4 audio"),
        ("?", {"video": [np.zeros((2, 28, 28, 3), np.uint8)]}, "video"),
    ]
    for prompt, data, message in wrong:
        with pytest.raises(Exception, match=message):
            generate(prompt, **data)
        engine.llm.reset_mm_cache()  # vLLM 0.32 keeps half of what failed to render
    assert engine.ask("Which word is said?", audios=[DATA / "red.flac"]).text == "red"


def test_mmkit_refuses_it_earlier(engine):
    with pytest.raises(LimitExceeded, match="takes no video"):
        engine.ask("?", videos=[DATA / "circle.mp4"])
    with pytest.raises(LimitExceeded, match="at most 4"):
        engine.ask("?", audios=[DATA / "red.flac"] * 5)
