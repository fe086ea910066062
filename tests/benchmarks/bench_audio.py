"""How fast log-mels and resampling are, against the libraries that everybody uses.

    python tests/benchmarks/bench_audio.py            all; writes results/audio.json
    python tests/benchmarks/bench_audio.py --quick    fewer rounds, writes nothing

CPU time of one thread. In each round every side takes the same clip, in an order that rotates; the ratio is that
of the medians, above 1 where mmkit is faster. `error`: largest absolute difference from WhisperFeatureExtractor.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr
import torch
import torchaudio
from timing import interleaved
from transformers import WhisperFeatureExtractor

from mmkit.audio import log_mel, resample
from mmkit.recipes import WHISPER

RESULTS = Path(__file__).parent / "results" / "audio.json"
COMMAND = "python tests/benchmarks/bench_audio.py"
RATE = 16_000


def clip(seconds: float, rate: int = RATE) -> np.ndarray:
    """Noise whose loudness changes, as speech's does."""
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.1, round(seconds * rate))
    return (wave * np.abs(np.sin(np.arange(len(wave)) * 4 / rate))).astype(np.float32)


def bench_log_mel(seconds: float, n_mels: int, pad: bool, rounds: int) -> dict:
    wave, recipe = clip(seconds), replace(WHISPER, n_mels=n_mels, pad=pad)
    extractor = WhisperFeatureExtractor(feature_size=n_mels)
    padding = "max_length" if pad else "do_not_pad"
    mels = torchaudio.transforms.MelSpectrogram(
        RATE, 400, hop_length=160, n_mels=n_mels, norm="slaney", mel_scale="slaney"
    )

    def by_transformers() -> np.ndarray:
        return extractor(wave, sampling_rate=RATE, padding=padding, return_tensors="np")["input_features"][0]

    def by_torchaudio() -> torch.Tensor:
        padded = np.pad(wave, (0, WHISPER.max_samples - len(wave))) if pad else wave
        log = mels(torch.from_numpy(padded))[:, :-1].clamp(min=1e-10).log10()
        return (torch.maximum(log, log.max() - 8) + 4) / 4

    error = np.abs(log_mel(wave, recipe).numpy() - by_transformers()).max()
    times = interleaved(
        {"mmkit": lambda: log_mel(wave, recipe), "transformers": by_transformers, "torchaudio": by_torchaudio},
        rounds,
    )
    return {"milliseconds": times, "ratios": ratios(times), "error": float(error)}


def bench_resample(old: int, rounds: int) -> dict:
    wave = clip(10, old)
    tensor = torch.from_numpy(wave)
    cached = torchaudio.transforms.Resample(old, RATE)
    times = interleaved(
        {
            "mmkit": lambda: resample(wave, old, RATE),
            "soxr HQ": lambda: soxr.resample(wave, old, RATE, quality="HQ"),
            "torchaudio": lambda: torchaudio.functional.resample(tensor, old, RATE),
            "torchaudio cached": lambda: cached(tensor),
        },
        rounds,
    )
    return {"milliseconds": times, "ratios": ratios(times)}


def ratios(times: dict[str, float]) -> dict[str, float]:
    return {name: value / times["mmkit"] for name, value in times.items() if name != "mmkit"}


def rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


def main() -> None:
    torch.set_num_threads(1)
    quick = "--quick" in sys.argv
    rounds = 5 if quick else 41
    found: dict = {"command": COMMAND, "rounds": rounds, "log_mel": {}, "resample, 10 s": {}}
    for seconds, pad in ((5, True), (14, True), (30, True), (14, False)):
        for n_mels in (80, 128):
            name = f"{seconds} s, {n_mels} mels, {'padded to 30 s' if pad else 'unpadded'}"
            found["log_mel"][name] = bench_log_mel(seconds, n_mels, pad, rounds)
    for old in (44_100, 48_000, 8_000):
        found["resample, 10 s"][f"{old} to {RATE} Hz"] = bench_resample(old, rounds)
    found = rounded(found)
    for part in ("log_mel", "resample, 10 s"):
        for name, numbers in found[part].items():
            against = ", ".join(f"{ratio:.2f}x {other}" for other, ratio in numbers["ratios"].items())
            print(f"{part}: {name}: {numbers['milliseconds']['mmkit']:.2f} ms; {against}")
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
