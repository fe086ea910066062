"""How often tiny-qwen2-audio and tiny-whisper answer exactly, on voices that no training heard.

    reserved clips (500 of TEST_VOICES, clean and with noise) and 250 simple sounds -> batched forward
    -> share of exact answers by kind

An answer counts when greedy decoding says it to the letter, the end included. Each clip is asked every question
that makes sense for it. Equal to asking transformers or vLLM one by one (tests hold the forward to both).
Needs espeak-ng the first time, to speak the reserved clips.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmkit.zoo.audio.forward import Heard, Qwen2AudioForward, WhisperForward
from mmkit.zoo.worlds.speech import (
    CACHE,
    DIGITS,
    MAKERS,
    QUESTIONS,
    Clips,
    Disturbance,
    Truth,
    disturb,
    reserved_clips,
)

Forward = Qwen2AudioForward | WhisperForward
NOISE = 15.0  # decibels between speech and noise, the moderate case
PER_SOUND = 50
CONDITIONS = {"clean": None, f"noise at {NOISE:.0f} dB": NOISE}


def load(folder: Path) -> Forward:
    """A saved model, ready to be asked in batches."""
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration, WhisperForConditionalGeneration

    processor = AutoProcessor.from_pretrained(folder)
    if json.loads((folder / "config.json").read_text("utf-8"))["model_type"] == "whisper":
        return WhisperForward(WhisperForConditionalGeneration.from_pretrained(folder).eval(), processor)
    return Qwen2AudioForward(Qwen2AudioForConditionalGeneration.from_pretrained(folder).eval(), processor)


def held_out(clips: Clips, snr: float | None, count: int | None = None) -> list[Heard]:
    """Clips with silence around, clean or with noise at snr decibels; the same at every call."""
    rng = np.random.default_rng(11)
    chosen = range(len(clips)) if count is None else np.linspace(0, len(clips) - 1, count).astype(int)
    how = Disturbance(lead=0.15, tail=0.25, gain=0.7, snr=snr, tilt=0.5)
    return [(disturb(clips.wave(int(i)), how, rng), clips.truth(int(i))) for i in chosen]


def simple_sounds(snr: float | None, per_sound: int = PER_SOUND) -> list[Heard]:
    """Sounds of a seed that training never draws, with silence around, and noise where snr is given."""
    rng = np.random.default_rng(77)
    how = Disturbance(lead=0.15, tail=0.25, gain=0.7, snr=snr, tilt=0.5)
    return [
        (disturb(make(rng), how, rng), Truth(sound=name)) for name, make in MAKERS.items() for _ in range(per_sound)
    ]


def kind_of(truth: Truth) -> str:
    """What a clip holds: "digit strings", "command words" or "simple sounds"."""
    if truth.sound:
        return "simple sounds"
    return "digit strings" if truth.words[0] in DIGITS else "command words"


def judge(forward: Forward, clips: Sequence[Heard], batch: int = 25) -> dict[str, list[bool]]:
    """For each kind of question: is the greedy answer right, clip by clip?"""
    found: dict[str, list[bool]] = {}
    for i in range(0, len(clips), batch):
        for task, hits in forward.judge(clips[i : i + batch]).items():
            found.setdefault(task, []).extend(hits)
    return found


def score(forward: Forward, clips: Sequence[Heard], batch: int = 25) -> dict[str, dict[str, float]]:
    """Share of exact answers: kind of clip -> kind of question -> share."""
    shown = {}
    for kind in ("digit strings", "command words", "simple sounds"):
        mine = sorted((clip for clip in clips if kind_of(clip[1]) == kind), key=lambda clip: len(clip[0]))
        found = judge(forward, mine, batch)
        shown[kind] = {task: round(float(np.mean(hits)), 4) for task, hits in found.items()}
    return shown


def summary(scores: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """The shares that `mmkit models` shows: transcripts, captions, and the mean of the other questions."""
    shown = {}
    for condition, kinds in scores.items():
        at = "" if condition == "clean" else f", {condition}"
        for kind in ("digit strings", "command words"):
            shown[f"{kind}{at}"] = kinds[kind]["transcribe"]
        spoken = kinds["digit strings"]
        if "caption" not in spoken:
            continue
        shown[f"captions of voices{at}"] = spoken["caption"]
        shown[f"captions of simple sounds{at}"] = kinds["simple sounds"]["caption"]
        others = [share for task, share in spoken.items() if task not in ("transcribe", "caption")]
        shown[f"questions about digits{at}"] = round(float(np.mean(others)), 4)
    return shown


def measure(folder: Path, cache: Path = CACHE) -> dict:
    """All scores of one model folder; under a minute on one core."""
    torch.set_num_threads(1)
    forward, clips = load(Path(folder)), reserved_clips(cache)
    scores = {name: score(forward, held_out(clips, snr) + simple_sounds(snr)) for name, snr in CONDITIONS.items()}
    told = f"{len(clips)} clips of voices never trained on, {PER_SOUND * len(MAKERS)} simple sounds; greedy, exact"
    asked = [task for task in QUESTIONS if task in scores["clean"]["digit strings"]]
    return {"measured": told, "questions": asked, "summary": summary(scores), "scores": scores}
