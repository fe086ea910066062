"""Batches for training and measuring tiny-omni: pictures, clips, and conversations about one or both.

    BatchGenerator.make("image" | "audio" | "joint" | "pair") -> Batch (pixel values, log-mels, packed questions)

Several questions about the same items share them: each is a branch that sees the items and itself. Of the
packing's three position axes the last counts tokens one by one, which is what this decoder wants.
Leaves out the losses (train.py) and the counting of right answers (evaluate.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmkit.zoo.audio.batches import random_curves
from mmkit.zoo.audio.forward import HOP, batch_log_mel
from mmkit.zoo.packing import Packed, Placeholder, Row, answer_logits, pack
from mmkit.zoo.vision.batches import ask_all, ask_both, sample_phrasing, sample_size
from mmkit.zoo.vision.conversation import SEPARATORS, reword, sample_system
from mmkit.zoo.vision.forward import MEAN, STD
from mmkit.zoo.worlds import shapes, speech
from mmkit.zoo.worlds.joint import AUDIO_KINDS, JOINT_KINDS, MOST_DIGITS, WORDS, ask_clip, ask_joint, spoken_word
from mmkit.zoo.worlds.shapes import NUMBER_WORDS, Question
from mmkit.zoo.worlds.speech import CACHE, Clips, Truth, disturb, make_cached, random_disturbance, word_scripts

KINDS = ("image", "audio", "joint", "pair")
WHOLE = 4 * HOP  # samples of one token


def training_clips(folder: Path = CACHE) -> tuple[Clips, Clips]:
    """Digit strings, and each of WORDS by each of 300 voices of TRAIN_VOICES; minutes to make."""
    words = list(word_scripts(300, WORDS, speech.TRAIN_VOICES, np.random.default_rng(9)))
    return speech.training_clips(folder)[0], make_cached(folder / "omni-words.npz", words)


def reserved_clips(folder: Path = CACHE) -> tuple[Clips, Clips]:
    """Digit strings, and each of WORDS by 24 voices, all of TEST_VOICES, which training never hears."""
    words = list(word_scripts(24, WORDS, speech.TEST_VOICES, np.random.default_rng(2027)))
    return speech.reserved_clips(folder), make_cached(folder / "omni-reserved.npz", words)


@dataclass(frozen=True)
class Batch:
    """What the towers take, and the packed conversations; sources in packed count pictures first, then clips."""

    pixel_values: Tensor | None  # (pictures, 3, 112, 112)
    mels: Tensor | None  # (clips, n_mels, frames)
    frames: list[int]  # of each clip
    spoken: list[Truth]  # of each clip
    packed: Packed
    questions: list[list[Question]]  # [row][branch]


class Sounds:
    """Draws clips: a wanted word by any voice, or whatever a question could be about."""

    def __init__(self, phrases: Clips, words: Clips, rng: np.random.Generator, *, clean: bool = False):
        self.phrases, self.words, self.rng, self.clean = phrases, words, rng, clean
        self.of_word: dict[str, list[int]] = {}
        self.of_voice: dict[speech.Voice, dict[str, int]] = {}
        for i, (word,) in enumerate(words.words):
            self.of_word.setdefault(word, []).append(i)
            self.of_voice.setdefault(words.voices[i], {})[word] = i
        self.voices = [said for said in self.of_voice.values() if set(speech.DIGITS) <= set(said)]
        self.short = [i for i, said in enumerate(phrases.words) if 1 < len(said) <= MOST_DIGITS]

    def say(self, word: str) -> tuple[np.ndarray, Truth]:
        """One word by a random voice."""
        i = int(self.rng.choice(self.of_word[word]))
        return self._heard(self.words.wave(i)), Truth((word,))

    def any(self) -> tuple[np.ndarray, Truth]:
        """A word, two or three digits in one breath or one by one, or a simple sound."""
        kind = self.rng.random()
        if kind < 0.5:
            return self.say(str(self.rng.choice(WORDS)))
        if kind < 0.68:
            i = int(self.rng.choice(self.short))
            return self._heard(self.phrases.wave(i)), Truth(self.phrases.words[i])
        if kind < 0.85:
            return self.digits()
        name = str(self.rng.choice(list(speech.MAKERS)))
        return self._heard(speech.MAKERS[name](self.rng)), Truth(sound=name)

    def digits(self) -> tuple[np.ndarray, Truth]:
        """Two or three digits by one voice, one after the other."""
        voice = self.voices[int(self.rng.integers(len(self.voices)))]
        said = [str(word) for word in self.rng.choice(speech.DIGITS, int(self.rng.integers(2, MOST_DIGITS + 1)))]
        if self.rng.random() < 0.3:
            said[1] = said[0]  # "five five" is the hard case
        pieces = []
        for word in said:
            gap = np.zeros(int(self.rng.uniform(0, 0.12) * speech.SAMPLE_RATE), np.float32)
            pieces += [self.words.wave(voice[word]), gap]
        return self._heard(np.concatenate(pieces[:-1])), Truth(tuple(said))

    def _heard(self, wave: np.ndarray) -> np.ndarray:
        how = random_disturbance(self.rng)
        if self.clean:
            how = speech.Disturbance(lead=0.1, tail=0.2, gain=0.7)
        wave = disturb(wave, how, self.rng)
        return np.pad(wave, (0, -len(wave) % WHOLE))  # to whole tokens, as the processor does


class BatchGenerator:
    """An endless source of batches.

    rng draws scenes and wordings, noise draws grain.  pictures: in a batch of "image" or "joint".
    variety: share of batches worded and dressed in any way; the others are canonical questions and nothing else.
    """

    def __init__(
        self,
        tokenizer: Any,
        sounds: Sounds,
        rng: random.Random,
        noise: np.random.Generator,
        pictures: int = 20,
        variety: float = 0.85,
        draw: Callable[..., np.ndarray] = shapes.draw_scene,
    ):
        self.sounds, self.rng, self.noise = sounds, rng, noise
        self.pictures, self.variety, self.draw = pictures, variety, draw
        self.image_id, self.audio_id = tokenizer.convert_tokens_to_ids(["<|image|>", "<|audio|>"])
        self._tokenizer, self._known = tokenizer, {}
        self._plain = False

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, remembered."""
        if text not in self._known:
            self._known[text] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return self._known[text]

    def make(self, kind: str) -> Batch:
        """One batch; kind is one of KINDS."""
        self._plain = self.rng.random() > self.variety
        pictures, clips, asked = getattr(self, f"_{kind}")()
        curves = None
        if clips and not self.sounds.clean:
            curves = random_curves(len(clips), 80, self.sounds.rng)
        mels, frames = self._mels([wave for wave, _ in clips], curves) if clips else (None, [])
        rows, questions = [], []
        for items, about in asked:
            for row, said in self._rows(items, about, frames, len(pictures)):
                rows.append(row)
                questions.append(said)
        truths = [truth for _, truth in clips]
        pixels = torch.cat([pixel_values(picture) for picture in pictures]) if pictures else None
        return Batch(pixels, mels, frames, truths, pack(rows), questions)

    def _mels(self, waves: list[np.ndarray], curves: Tensor | None) -> tuple[Tensor, list[int]]:
        """Each clip's log-mel as if it came alone, then zeros up to the longest."""
        frames = [len(wave) // HOP for wave in waves]
        padded = torch.zeros(len(waves), 80, max(frames))
        for i, (wave, count) in enumerate(zip(waves, frames, strict=True)):
            curve = curves[i : i + 1] if curves is not None else None
            padded[i, :, :count] = batch_log_mel([wave], filters(), count, curve)[0][0]
        return padded, frames

    def _rows(self, items: list[tuple[str, int]], about: list[Question], frames: list[int], first: int) -> list:
        """Conversations about some items ("image", number) or ("audio", number), in random order."""
        rng = self.rng
        if not about:
            return []
        if not self._plain:
            items = rng.sample(items, len(items)) if {m for m, _ in items} == {"image", "audio"} else items
        pieces: list[int | Placeholder] = []
        for modality, number in items:
            length = 16 if modality == "image" else frames[number] // 4
            pieces.append(Placeholder((1, 1, length), self.image_id if modality == "image" else self.audio_id))
        sources = [number if modality == "image" else first + number for modality, number in items]
        say = (lambda text: text) if self._plain else (lambda text: reword(rng, text))
        separator = "" if self._plain else rng.choice(SEPARATORS)
        system = None if self._plain else sample_system(rng)
        head = f"<|im_start|>system\n{system}<|im_end|>\n" if system is not None else ""
        turn = "<|im_end|>\n<|im_start|>assistant\n"
        start = self.encode(head + "<|im_start|>user\n")
        if not self._plain and rng.random() < 0.15:  # the question first: a row for one question
            question = rng.choice(about)
            prefix = [*start, *self.encode(say(question.text) + separator), *pieces]
            branch = [(self.encode(turn), False), (self.encode(f"{question.answer}<|im_end|>"), True)]
            return [(Row(prefix, [branch], sources), [question])]
        branches = [
            [(self.encode(separator + say(q.text) + turn), False), (self.encode(f"{q.answer}<|im_end|>"), True)]
            for q in about
        ]
        return [(Row([*start, *pieces], branches, sources), about)]

    def _phrasing(self) -> int | None:
        return sample_phrasing(self.rng, self._plain)

    def _scenes(self, count: int) -> list[shapes.Scene]:
        size = sample_size(self.rng)
        return [shapes.sample_scene(self.rng, *size) for _ in range(count)]

    def _image(self) -> tuple:
        scenes = self._scenes(self.pictures)
        asked = [([("image", i)], ask_all(self.rng, scene, 6, self._plain)) for i, scene in enumerate(scenes)]
        return [self.draw(scene, self.noise) for scene in scenes], [], asked

    def _pair(self) -> tuple:
        half = self.pictures // 2
        scenes = self._scenes(2 * half)
        asked = [
            ([("image", i), ("image", half + i)], ask_both(self.rng, scenes[i], scenes[half + i], self._plain))
            for i in range(half)
        ]
        return [self.draw(scene, self.noise) for scene in scenes], [], asked

    def _audio(self) -> tuple:
        clips = sorted((self.sounds.any() for _ in range(self.pictures)), key=lambda clip: len(clip[0]))
        asked = [([("audio", i)], self.about_clip(truth)) for i, (_, truth) in enumerate(clips)]
        return [], clips, asked

    def about_clip(self, truth: Truth) -> list[Question]:
        """Every question that the clip has an answer to."""
        found = [ask_clip(self.rng, truth, kind, self._phrasing()) for kind in AUDIO_KINDS]
        return [question for question in found if question]

    def _joint(self) -> tuple:
        rng = self.rng
        scenes = self._scenes(self.pictures)
        clips, asked = [], []
        for i, scene in enumerate(scenes):
            wanted = rng.choice((*JOINT_KINDS, "number_match", "number_match"))  # others come along with a colour
            word = spoken_word(rng, scene, wanted)
            clips.append(self.sounds.say(word))
            found = [ask_joint(rng, scene, word, kind, self._phrasing()) for kind in JOINT_KINDS]
            about = [question for question in found if question]
            if word in NUMBER_WORDS or rng.random() < 0.3:  # and either sense alone, the other being there too
                about += ask_all(rng, scene, 2, self._plain)
                about += rng.sample(self.about_clip(Truth((word,))), 2)
            asked.append(([("image", i), ("audio", i)], about))
        return [self.draw(scene, self.noise) for scene in scenes], clips, asked


def pixel_values(picture: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, 112, 112), as SiglipImageProcessor does."""
    from torchvision.transforms.v2 import functional as tv

    x = torch.from_numpy(picture).permute(2, 0, 1)[None]  # 1 3 H W
    if x.shape[2:] != (112, 112):
        x = tv.resize(x, [112, 112], interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
    return (x.float() - MEAN[:, None, None]) / STD[:, None, None]


@cache
def filters() -> Tensor:
    """Whisper's mel filter bank (201, 80)."""
    from transformers import WhisperFeatureExtractor

    return torch.from_numpy(WhisperFeatureExtractor(feature_size=80).mel_filters).float()


class OmniForward(nn.Module):
    """The forward of an OmniForConditionalGeneration on packed batches, on its own parameters."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def encode(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Embeddings of the pictures (N, 16, hidden) and of the clips (M, longest / 4, hidden)."""
        seen = heard = None
        if batch.pixel_values is not None:
            seen = self.model.image_tower(batch.pixel_values)
        if batch.mels is not None:
            states = torch.tensor(batch.frames) // 2
            valid = torch.arange(batch.mels.shape[2] // 2) < states[:, None]
            heard = self.model.audio_tower(batch.mels, valid[:, None, None])
        return seen, heard

    def forward(self, seen: Tensor | None, heard: Tensor | None, batch: Batch) -> Tensor:
        """Logits (K, vocabulary) of the answers' tokens."""
        items = [*(seen if seen is not None else ())]
        if heard is not None:
            items += [clip[: n // 4] for clip, n in zip(heard, batch.frames, strict=True)]
        decoder, head = self.model.language_model.model, self.model.language_model.lm_head
        return answer_logits(decoder, head, items, batch.packed, batch.packed.positions[2])
