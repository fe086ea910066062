"""Stages: where the time goes between a file and an answer.

    file + recipe -> prepared     read, decode, resize, normalize and pack (sound: resample, log-mel)
    engine + file -> answered     tokenize, vLLM's processor, encoder, prefill, decode
    stages -> table, lever        what to read, and what to do about the longest

Each stage runs several times after once for nothing; its time is the median, by the wall, in one thread. What
happens inside vLLM is told by difference: the same question with more and more of its caches emptied. Preparing is
done by mmkit's kernels; vLLM prepares the picture again, by its own processor.
Leaves out many requests at once: there stages overlap, and `make bench` measures that.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmkit import kernels
from mmkit.answers import Sampling
from mmkit.audio import at_rate, load_audio
from mmkit.engine import Engine, embeds, for_vllm
from mmkit.errors import InvalidArgument
from mmkit.image import load_image, resize, resize_to_recipe
from mmkit.media import read
from mmkit.recipes import recipe_for
from mmkit.samples import MultiModalSample
from mmkit.sizes import SmartResize
from mmkit.tokens import DEFAULTS
from mmkit.video import load_video, target_size

REPEATS = 5
QUESTION = "What is this?"
REMEDIES = {
    "read": "keep the files on a disk of this machine, or hand over bytes",
    "decode": "keep files at the size that the model sees (`mmkit tokens --fit`): decoding grows with their pixels",
    "resize": "Settings(resize_images=True) does it in threads, or keep files at the size that the model sees",
    "normalize, pack": "hand kernels.image_features an array to write into, and use it again",
    "resample": "keep sound at the rate that the model hears, as a rule 16 kHz",
    "log-mel": "send shorter pieces, cut where nobody speaks (audio.speech_pieces)",
    "tokenize": "shorten the text",
    "vLLM's processor": "MMKIT_FAST=1 and Settings(resize_images=True); what is asked about twice is prepared once",
    "encoder": "send fewer tokens (a smaller size); what is asked about twice is encoded once",
    "prefill": "shorten the prompt, and begin prompts alike: what they share is computed once",
    "decode tokens": "lower max_tokens, and ask many questions in one batch",
}


@dataclass(frozen=True)
class Stage:
    """A step and the milliseconds that it takes."""

    name: str
    milliseconds: float


def prepared(source: str | Path, recipes: Mapping[str, Any] | None = None, repeats: int = REPEATS) -> list[Stage]:
    """The stages from a file to the tensors of a model family.

    recipes: modality -> recipe; where there is none, the one that `mmkit tokens` takes.  Raises a MediaError, and
    ModelError for a family whose pixels mmkit does not make.

    >>> [stage.name for stage in prepared("data/circle_and_square.png", repeats=1)]
    ['read', 'decode', 'resize', 'normalize, pack']
    """
    blob = read(source)
    recipe = (recipes or {}).get(blob.modality) or recipe_for(DEFAULTS[blob.modality], blob.modality)
    steps = {"image": picture_steps, "audio": sound_steps, "video": film_steps}[blob.modality](recipe)
    return timed([("read", lambda source: read(source)), *steps], source, repeats)


Step = tuple[str, Callable[[Any], Any]]


def picture_steps(recipe: Any) -> list[Step]:
    """Blob -> Picture -> pixels at the model's size -> patches or planes."""
    statistics = (recipe.mean, recipe.std)

    def pack(pixels: np.ndarray) -> Any:
        if isinstance(recipe.resize, SmartResize):
            return kernels.pack_patches(pixels, recipe.patch, recipe.merge, recipe.temporal_patch, statistics)
        return kernels.normalize_planes(pixels, statistics)

    return [
        ("decode", lambda blob: load_image(blob.data)),
        ("resize", lambda picture: resize_to_recipe(picture, recipe)),
        ("normalize, pack", pack),
    ]


def sound_steps(recipe: Any) -> list[Step]:
    """Blob -> Clip -> Clip at the model's rate -> log-mel."""
    return [
        ("decode", lambda blob: load_audio(blob.data)),
        ("resample", lambda clip: at_rate(clip, recipe.sample_rate)),
        ("log-mel", lambda clip: kernels.log_mel(clip.wave, recipe)),
    ]


def film_steps(recipe: Any) -> list[Step]:
    """Blob -> the frames that the recipe samples -> frames at the model's size -> patches."""

    def smaller(film: Any) -> np.ndarray:
        count, height, width = film.frames.shape[:3]
        size = target_size(count, height, width, recipe)
        return np.stack([resize(frame, size, recipe.method) for frame in film.frames])  # T h w 3

    def pack(frames: np.ndarray) -> Any:
        statistics = (recipe.mean, recipe.std)
        return kernels.pack_patches(frames, recipe.patch, recipe.merge, recipe.temporal_patch, statistics)

    return [
        ("decode", lambda blob: load_video(blob.data, recipe=recipe)),
        ("resize", smaller),
        ("normalize, pack", pack),
    ]


def timed(steps: Sequence[Step], value: Any, repeats: int = REPEATS) -> list[Stage]:
    """Run one step after the other, each on what the one before has made.

    >>> [stage.name for stage in timed([("twice", lambda x: 2 * x), ("half", lambda x: x / 2)], 3)]
    ['twice', 'half']
    """
    found = []
    for name, step in steps:
        result = step(value)
        found.append(Stage(name, median_milliseconds(lambda step=step, value=value: step(value), repeats)))
        value = result
    return found


def median_milliseconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median of so many runs, by the wall."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)


def answered(engine: Engine, source: str | Path, tokens: int = 16, repeats: int = REPEATS) -> list[Stage]:
    """The stages from a prompt to an answer of `tokens` tokens, in a running engine.

    Encoder, prefill and decode are differences between questions of which less and less is known to vLLM's caches.
    Raises what Engine.ask raises, and InvalidArgument for a model that writes no answers.
    """
    if embeds(engine.preprocessor):
        raise InvalidArgument(f"{engine.preprocessor.family.name} writes no answers; profile it without --model")
    item: dict[str, Any] = {f"{read(source).modality}s": (source,)}
    sample = MultiModalSample("" if engine.preprocessor.family.style == "encoder_decoder" else QUESTION, **item)
    prompt = engine.preprocessor.to_prompt(sample)
    tokenizer = engine.preprocessor.tokenizer

    def ask(length: int, *, processed: bool, encoded: bool) -> None:
        if not processed:
            engine.llm.reset_mm_cache()
        if not encoded:
            engine.llm.llm_engine.reset_encoder_cache()
        engine.llm.reset_prefix_cache()
        wanted = for_vllm(Sampling(max_tokens=length, min_tokens=length))
        engine.llm.generate([prompt.for_vllm()], wanted, use_tqdm=False)

    def milliseconds(length: int, **known: bool) -> float:
        ask(length, **known)
        return median_milliseconds(lambda: ask(length, **known), repeats)

    whole = milliseconds(1, processed=False, encoded=False)
    without_processor = milliseconds(1, processed=True, encoded=False)
    prefill = milliseconds(1, processed=True, encoded=True)
    longer = milliseconds(tokens, processed=True, encoded=True)
    return [
        Stage("tokenize", median_milliseconds(lambda: tokenizer(prompt.text), repeats)),
        Stage("vLLM's processor", max(0.0, whole - without_processor)),
        Stage("encoder", max(0.0, without_processor - prefill)),
        Stage("prefill", prefill),
        Stage("decode tokens", max(0.0, longer - prefill)),
    ]


def table(stages: Sequence[Stage]) -> str:
    """The stages, their milliseconds, and their shares.

    >>> print(table([Stage("read", 1.0), Stage("decode", 3.0)]))
    read                   1.00 ms   25%
    decode                 3.00 ms   75%
    """
    total = sum(stage.milliseconds for stage in stages) or 1.0
    return "\n".join(
        f"{stage.name:<18} {stage.milliseconds:>8.2f} ms  {stage.milliseconds / total:>4.0%}" for stage in stages
    )


def lever(stages: Sequence[Stage]) -> str:
    """The longest stage, and what helps.

    >>> lever([Stage("read", 1.0), Stage("resample", 3.0)])
    'resample takes 75% of the time: keep sound at the rate that the model hears, as a rule 16 kHz'
    """
    longest = max(stages, key=lambda stage: stage.milliseconds)
    share = longest.milliseconds / (sum(stage.milliseconds for stage in stages) or 1.0)
    return f"{longest.name} takes {share:.0%} of the time: {REMEDIES[longest.name]}"
