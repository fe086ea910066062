"""How fast log-mels and resampling are, against transformers, torchaudio, librosa and soxr.

    python tests/benchmarks/bench_audio.py            all; writes results/audio.json
    python tests/benchmarks/bench_audio.py --quick    fewer rounds, writes nothing

Waves in, features out, one thread. mmkit is its fused twin, kernels.log_mel; the readable audio.log_mel, which
equals it, is shown as a peer. Floor: the Fourier transform of the frames that hold sound, and nothing more.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import soxr
import torch
import torchaudio
from timing import QUICK, installed, rows, store
from transformers import WhisperFeatureExtractor

from mmkit import audio, kernels
from mmkit.recipes import WHISPER

ROUNDS = 7 if QUICK else 15
RATE = 16_000


def clip(seconds: float, rate: int = RATE) -> np.ndarray:
    """Noise whose loudness changes, as speech's does."""
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.1, round(seconds * rate))
    return (wave * np.abs(np.sin(np.arange(len(wave)) * 4 / rate))).astype(np.float32)


def by_librosa(wave: np.ndarray, n_mels: int) -> Callable[[], Any]:
    import librosa

    def work() -> Any:
        mel = librosa.feature.melspectrogram(
            y=wave, sr=RATE, n_fft=400, hop_length=160, n_mels=n_mels, pad_mode="reflect"
        )[:, :-1]
        log = np.log10(np.maximum(mel, 1e-10))
        return (np.maximum(log, log.max() - 8) + 4) / 4

    return work


def log_mel_row(seconds: float, n_mels: int, pad: bool) -> list[dict]:
    wave, recipe = clip(seconds), replace(WHISPER, n_mels=n_mels, pad=pad)
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    padded = np.pad(wave, (0, WHISPER.max_samples - len(wave))) if pad else wave
    mels = torchaudio.transforms.MelSpectrogram(
        RATE, 400, hop_length=160, n_mels=n_mels, norm="slaney", mel_scale="slaney"
    )
    options = {"sampling_rate": RATE, "return_tensors": "np", "padding": "max_length" if pad else "do_not_pad"}

    def by_torchaudio() -> torch.Tensor:
        log = mels(torch.from_numpy(padded))[:, :-1].clamp(min=1e-10).log10()
        return (torch.maximum(log, log.max() - 8) + 4) / 4

    def in_numpy() -> Any:
        return extractor._np_extract_fbank_features(padded[None], "cpu")[0]

    peers = {
        "transformers": lambda: extractor(wave, **options)["input_features"][0],
        "transformers, numpy": in_numpy,
        "torchaudio": by_torchaudio,
        "mmkit, the readable way": lambda: audio.log_mel(wave, recipe),
    }
    if installed("librosa"):
        peers["librosa"] = by_librosa(padded, n_mels)
    frames = audio.frame(torch.from_numpy(np.pad(wave, 200)), 400, 160).contiguous()
    kind = f"{seconds:g} s, {'padded to 30 s' if pad else 'unpadded'}, {n_mels} mels"
    mine = {"mmkit": lambda: kernels.log_mel(wave, recipe)}
    floors = {"Fourier transform alone": lambda: torch.fft.rfft(frames)}
    return rows({"mmkit": f"log-mel, {kind}"}, peers, mine, ROUNDS, floors)


def resample_row(old: int) -> list[dict]:
    wave = clip(10, old)
    tensor = torch.from_numpy(wave)
    cached = torchaudio.transforms.Resample(old, RATE)
    peers = {
        "soxr HQ": lambda: soxr.resample(wave, old, RATE, quality="HQ"),
        "torchaudio": lambda: torchaudio.functional.resample(tensor, old, RATE),
        "torchaudio, kernel kept": lambda: cached(tensor),
    }
    mine = {"mmkit": lambda: audio.resample(wave, old, RATE)}
    return rows({"mmkit": f"resample 10 s, {old} to {RATE} Hz"}, peers, mine, ROUNDS)


def main() -> None:
    torch.set_num_threads(1)
    found = []
    for seconds, pad in ((5, True), (14, True), (30, True), (14, False)):
        for n_mels in (80, 128):
            found += log_mel_row(seconds, n_mels, pad)
    for old in (44_100, 48_000, 8_000):
        found += resample_row(old)
    store("audio", __doc__.splitlines()[0], found, rounds=ROUNDS)


if __name__ == "__main__":
    main()
