"""The world of tiny-omni: answers that follow from scene and word, transplants, packing.

Oracles: tiny-qwen2-vl and tiny-qwen2-audio themselves for the transplanted encoders; the transformers model for
the packed forward.
"""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from mmkit import shipped
from mmkit.zoo.audio.forward import Qwen2AudioForward
from mmkit.zoo.omni import model as omni
from mmkit.zoo.omni.batches import KINDS, BatchGenerator, OmniForward, Sounds, pixel_values
from mmkit.zoo.scores import weights_hash
from mmkit.zoo.vision.forward import MEAN, STD, QwenForward, patchify
from mmkit.zoo.worlds import joint, shapes, speech
from mmkit.zoo.worlds.shapes import Background, Scene, Shape

GREY = Background((128, 128, 128), (128, 128, 128))
SCENE = Scene(112, 112, GREY, (
    Shape("circle", "red", 25, 30, 15, 0, (255, 0, 0)),
    Shape("star", "blue", 55, 70, 15, 0, (0, 0, 255)),
    Shape("star", "red", 90, 40, 15, 0, (255, 0, 0)),
))  # fmt: skip


@pytest.fixture(scope="module")
def made():
    folder = shipped.models_folder()
    return omni.assemble(folder / "tiny-qwen2-vl", folder / "tiny-qwen2-audio")


@pytest.fixture(scope="module")
def sounds():
    """Tones in place of words: what is learnt from them matters nothing here, only that they are there."""
    rng = np.random.default_rng(0)
    voices, words, waves = [], [], []
    for variant in ("m1", "f2"):
        for word in joint.WORDS:
            waves.append((8_000 * rng.normal(size=4_000 + 100 * len(words))).clip(-32768, 32767).astype(np.int16))
            voices.append(speech.Voice(variant))
            words.append((word,))
    starts = np.cumsum([0, *map(len, waves)])
    clips = speech.Clips(np.concatenate(waves), starts, tuple(voices), tuple(words))
    phrases = speech.Clips(
        np.concatenate(waves[:2]), starts[:3], (voices[0],) * 2, (("one", "two"), ("one", "two", "three", "four"))
    )
    return Sounds(phrases, clips, rng)


@pytest.mark.parametrize(
    ("kind", "word", "answer"),
    [
        ("number_match", "three", "yes"),
        ("number_match", "two", "no"),
        ("number_match", "red", None),
        ("color_match", "red", "yes"),  # of the circle, the only kind that comes once
        ("color_match", "blue", "no"),
        ("color_match", "circle", None),
        ("spoken_there", "blue", "yes"),
        ("spoken_there", "green", "no"),
        ("spoken_shape", "blue", "star"),
        ("spoken_shape", "red", None),  # two of them
        ("spoken_color", "circle", "red"),
        ("spoken_color", "star", None),
        ("spoken_count", "red", "two"),
        ("spoken_count", "green", "zero"),
    ],
)
def test_joint_answers_by_hand(kind, word, answer):
    for seed in range(5):
        question = joint.ask_joint(random.Random(seed), SCENE, word, kind)
        assert (question and question.answer) == answer


def test_clips_are_asked_only_what_they_can_answer():
    rng = random.Random(0)
    word, digits, beep = speech.Truth(("blue",)), speech.Truth(("one", "two")), speech.Truth(sound="beep")
    kinds = {
        name: {k for k in joint.AUDIO_KINDS if joint.ask_clip(rng, truth, k)}
        for name, truth in (("word", word), ("digits", digits), ("beep", beep))
    }
    assert kinds["word"] == {"transcribe", "word", "count", "speech"}
    assert kinds["digits"] == {"transcribe", "count", "first", "last", "speech"}
    assert kinds["beep"] == {"transcribe", "count", "speech", "caption"}
    assert joint.ask_clip(rng, word, "count").answer == "zero"


def test_every_word_is_one_token(made):
    tokenizer = made[1].tokenizer
    for word in (*joint.WORDS, "yes", "no", "top", "bottom", "first", "second"):
        assert len(tokenizer(word)["input_ids"]) == len(tokenizer(" " + word)["input_ids"]) == 1


def test_the_eye_sees_what_its_donor_sees(made):
    """Equal but for the activation: exact GELU in place of its sigmoid approximation."""
    from transformers import Qwen2VLForConditionalGeneration

    donor = QwenForward(Qwen2VLForConditionalGeneration.from_pretrained(shipped.resolve("tiny-qwen2-vl")))
    pictures = np.stack([shapes.draw_scene(SCENE, np.random.default_rng(i)) for i in range(2)])
    with torch.inference_mode():
        theirs = donor.vision(*patchify(pictures))
        ours = made[0].image_tower(torch.cat([pixel_values(p) for p in pictures]))
    assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()


def test_the_ear_hears_what_its_donor_hears(made):
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    folder = shipped.resolve("tiny-qwen2-audio")
    donor = Qwen2AudioForward(
        Qwen2AudioForConditionalGeneration.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    )
    mel = torch.randn(1, 80, 120, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        states, tokens = donor.encode(mel, torch.tensor([120]))
        theirs, ours = donor.project(states), made[0].audio_tower(mel)
    assert ours.shape[1] == 30
    assert int(tokens) in (29, 30)
    # float32; the donor's table of positions was stored, ours is computed
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)


def test_pixel_values_equal_the_processor(made):
    for size in ((84, 84), (112, 112), (200, 120), (224, 224)):
        picture = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
        theirs = made[1](images=[picture])["pixel_values"]
        torch.testing.assert_close(pixel_values(picture), theirs, rtol=0, atol=1e-5)  # a float32 in two orders
    assert MEAN.shape == STD.shape == (3,)


@pytest.mark.parametrize("kind", KINDS)
def test_the_packed_forward_equals_transformers(made, sounds, kind):
    """Each branch of a row, against the whole conversation given to the transformers model alone."""
    model, processor = made
    forward, rng = OmniForward(model), random.Random(KINDS.index(kind))
    generator = BatchGenerator(
        processor.tokenizer, sounds, rng, np.random.default_rng(2), pictures=2 if kind == "pair" else 1
    )
    rows = 0
    while rows < 6:
        try:
            batch = generator.make(kind)
        except ValueError:  # a pair of pictures that no question tells apart leaves no row
            continue
        rows += 1
        packed, used = batch.packed, [number for number, _ in batch.packed.sources]
        pictures = 0 if batch.pixel_values is None else len(batch.pixel_values)
        given = {}
        if seen := [number for number in used if number < pictures]:
            given["pixel_values"] = batch.pixel_values[seen]
        if heard := [number - pictures for number in used if number >= pictures]:
            given |= {"input_features": batch.mels[heard], "audio_frames": torch.tensor(batch.frames)[heard]}
        with torch.inference_mode():
            ours = forward(*forward.encode(batch), batch)
        for branch in range(len(batch.questions[0])):
            mine = [k for k, owner in enumerate(packed.owner) if owner[1] == branch]
            visible = packed.mask[0, 0, packed.queries[mine[-1]]].nonzero().squeeze(1)  # by the last token
            with torch.inference_mode():
                whole = model(input_ids=packed.ids[:, visible], **given).logits[0]
            places = torch.isin(visible, packed.queries[mine])
            torch.testing.assert_close(ours[mine], whole[places], rtol=0, atol=2e-4)  # float32, two orders


def test_the_stored_scores_are_of_these_weights_and_reach_their_goals():
    folder = shipped.models_folder() / "tiny-omni"
    scores = json.loads((folder / "scores.json").read_text("utf-8"))
    assert scores["weights"] == weights_hash(folder)
    assert scores["summary"]["questions about a picture"] >= 0.97
    assert scores["summary"]["questions about a clip"] >= 0.95
    assert scores["summary"]["questions about both"] >= 0.95
