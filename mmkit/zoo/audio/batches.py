"""Batches of clips for tiny-qwen2-audio and tiny-whisper, and the conversations about them.

    training clips -> Sampler: join, disturb -> clips of like length -> question_batch: log-mels, packed questions

Leaves out the losses (train.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmkit.zoo.audio import qwen2_audio
from mmkit.zoo.audio.forward import Heard, Qwen2AudioForward, audio_lengths, batch_log_mel
from mmkit.zoo.packing import Packed, Row, pack
from mmkit.zoo.worlds.speech import (
    COMMANDS,
    MAKERS,
    MAX_SECONDS,
    QUESTIONS,
    SAMPLE_RATE,
    Clips,
    Truth,
    answers,
    disturb,
    random_digits,
    random_disturbance,
)


@dataclass(frozen=True)
class Batch:
    """Log-mels (B, n_mels, T), how many frames each clip fills (B,), what is in them, and packed questions."""

    features: Tensor
    frames: Tensor
    truths: Sequence[Truth]
    packed: Packed | None = None


class Sampler:
    """Draws training clips: phrases, digits joined from single words, command words, simple sounds."""

    def __init__(self, phrases: Clips, words: Clips, rng: np.random.Generator):
        self.phrases, self.words, self.rng = phrases, words, rng
        self.by_voice: dict = {}
        for i, voice in enumerate(words.voices):
            self.by_voice.setdefault(voice, {})[words.words[i][0]] = i
        self.speakers = list(self.by_voice.values())

    def draw(self) -> tuple[np.ndarray, Truth]:
        """One disturbed clip and its truth."""
        wave, truth = self.clean()
        return disturb(wave, random_disturbance(self.rng), self.rng), truth

    def clean(self) -> tuple[np.ndarray, Truth]:
        """One clip as it was made."""
        kind = self.rng.random()
        if kind < 0.5:
            i = int(self.rng.integers(len(self.phrases)))
            return self.phrases.wave(i), self.phrases.truth(i)
        if kind < 0.72:
            return self.joined(random_digits(self.rng))
        if kind < 0.88:
            return self.joined((str(self.rng.choice(COMMANDS)),))
        name = str(self.rng.choice(list(MAKERS)))
        return MAKERS[name](self.rng), Truth(sound=name)

    def joined(self, words: tuple[str, ...]) -> tuple[np.ndarray, Truth]:
        """Words said one by one by one voice, with pauses of 0 to 0.12 s."""
        while True:
            speaker = self.speakers[int(self.rng.integers(len(self.speakers)))]
            if all(word in speaker for word in words):
                break
        pieces = []
        for word in words:
            pieces += [self.words.wave(speaker[word]) * np.float32(self.rng.uniform(0.7, 1))]
            pieces += [np.zeros(int(self.rng.uniform(0, 0.12) * SAMPLE_RATE), np.float32)]
        truth = self.words.truth(speaker[words[0]])
        wave = np.concatenate(pieces[:-1])
        if len(wave) > (MAX_SECONDS - 0.5) * SAMPLE_RATE:
            return self.joined(words[:3])
        return wave, Truth(words, truth.tempo, truth.height)

    def batches(self, size: int, count: int = 4) -> list[list[tuple[np.ndarray, Truth]]]:
        """count batches of clips of like length, so that little is computed on padding."""
        clips = sorted((self.draw() for _ in range(size * count)), key=lambda clip: len(clip[0]))
        groups = [clips[i : i + size] for i in range(0, len(clips), size)]
        return [groups[i] for i in self.rng.permutation(count)]


def random_curves(batch: int, n_mels: int, rng: np.random.Generator) -> Tensor:
    """Smooth equaliser curves (batch, n_mels) in powers of ten of power: about 4 dB up and down."""
    mel = np.linspace(0, 1, n_mels)
    waves = np.cos(np.pi * np.arange(1, 5)[:, None] * mel + rng.uniform(0, 2 * np.pi, (batch, 4, 1)))
    return torch.from_numpy((rng.normal(0, 0.2, (batch, 4, 1)) * waves).sum(1)).float()


def question_batch(forward: Qwen2AudioForward, clips: Sequence[Heard], rng: np.random.Generator) -> Batch:
    """Clips as tiny-qwen2-audio hears them, each with up to four questions."""
    waves, truths = zip(*clips, strict=True)
    features, frames = batch_log_mel(waves, forward.filters, curves=random_curves(len(waves), 80, rng))
    tokens = audio_lengths(frames)[1].tolist()
    rows = [random_row(forward, i, tokens[i], truth, rng) for i, truth in enumerate(truths)]
    return Batch(features, frames, truths, pack(rows))


def random_row(forward: Qwen2AudioForward, clip: int, tokens: int, truth: Truth, rng: np.random.Generator) -> Row:
    """Up to four of the clip's questions in random words; caption and transcript always among them."""
    right = answers(truth)
    others = [task for task in right if task not in ("transcribe", "caption")]
    tasks = [task for task in ("transcribe", "caption") if task in right]
    tasks += list(rng.permutation(others)[: 4 - len(tasks)])
    asked = [(str(rng.choice(QUESTIONS[task])), right[task]) for task in tasks]
    system = qwen2_audio.SYSTEM if rng.random() < 0.85 else str(rng.choice(qwen2_audio.SYSTEMS))
    kind = rng.random()
    if kind < 0.08:
        question, answer = asked[int(rng.integers(len(asked)))]
        return forward.row(clip, tokens, [("", answer)], system, before=question)
    if kind < 0.16:
        return forward.row(clip, tokens, asked, None, numbered=False)
    return forward.row(clip, tokens, asked, system)
