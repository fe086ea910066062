"""The diff ladder: two ways of making one sample ready, compared rung by rung, up to the first that differs.

    sample -> trace_mmkit, trace_transformers -> Trace: what stood on each rung (save_trace, load_trace)
    two Traces -> climb -> Ladder: same, same, differs: what, by how much, where to look

Follows what people do by hand when two programs give two answers: whatever differs lower down makes everything
above differ, so only the lowest difference is news. What the model sees of a picture is computed back from its
features, so that it can be had from any processor.
Leaves out the length of an answer (max_tokens), which changes no token that both have.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmkit.answers import sampling_of
from mmkit.errors import CorruptMedia, DecodedTooLarge, InvalidArgument, MmkitError, ModelError, label
from mmkit.image import denormalize, unpatchify
from mmkit.media import read, read_file
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.processors import run_processor
from mmkit.samples import MultiModalSample

if TYPE_CHECKING:
    from mmkit.engine import Engine

MAX_TRACE = 1 << 30  # bytes of a saved trace, unpacked


@dataclass(frozen=True)
class Rung:
    """One rung: its name, how far two values may lie apart, and where to look when they do."""

    name: str
    tolerance: float
    look: str


RUNGS = (
    Rung("decode", 0, "the loader: a turn in EXIF, alpha, 16 bits, CMYK, BGR, another decoder; mmkit.load_image"),
    Rung("resize", 0, "the size asked for (size, min_pixels, max_pixels), the filter; a wave's rate and channels"),
    Rung("features", 1e-5, "mean and std, 1/255 done twice or not at all, patch order; mel scale, norm, logarithm"),
    Rung("tokens", 0, "the chat template, a placeholder expanded twice, control tokens typed by a user, BOS twice"),
    Rung("sampling", 0, "generation_config.json, which transformers and LLM.chat read and mmkit does not"),
    Rung("logprobs", 1e-4, "weights, dtype, attention; everything before the model is the same"),
)


@dataclass(frozen=True, eq=False)
class Trace:
    """What one way of making a sample ready left on each rung: rung -> name -> array.

    decode: clean pixels (H, W, 3), frames (T, H, W, 3).  resize: pixels as the model sees them (h, w, 3), waves
    (T,) at the model's rate.  features: the processor's tensors.  tokens: input_ids, expanded.  sampling: numbers
    by vLLM's names.  logprobs: token_ids and the log-probability of each.  A rung that was not taken is not there.
    """

    name: str
    rungs: Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Difference:
    """Two values of one name that are not the same: their shapes, and what differs in words."""

    name: str
    one: str
    other: str
    what: str


@dataclass(frozen=True)
class Step:
    """One rung of a comparison."""

    rung: Rung
    state: Literal["same", "differs", "not in both"]
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Ladder:
    """Two traces compared, up to the first rung that differs."""

    names: tuple[str, str]
    steps: tuple[Step, ...] = field(default=())

    @property
    def first(self) -> Step | None:
        """The first rung that differs; None where all that both have is the same."""
        return next((step for step in self.steps if step.state == "differs"), None)

    def __str__(self) -> str:
        lines = [f"{step.rung.name:<10}{step.state}" for step in self.steps]
        if self.first is None:
            return "\n".join([*lines, f"no difference between {self.names[0]} and {self.names[1]}"])
        rows = [("", *self.names), *((d.name, d.one, d.other) for d in self.first.differences)]
        widths = [max(len(row[n]) for row in rows) + 2 for n in range(3)]
        table = [
            "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        words = [f"{d.name}: {d.what}" for d in self.first.differences]
        return "\n".join([*lines, "", *table, "", *words, f"look at: {self.first.rung.look}"])


def climb(one: Trace, other: Trace) -> Ladder:
    """Compare two traces from the lowest rung up; stops at the first that differs.

    >>> a = Trace("a", {"tokens": {"input_ids": np.array([1, 7, 2])}})
    >>> b = Trace("b", {"tokens": {"input_ids": np.array([1, 7, 7, 2])}})
    >>> climb(a, b).first.differences[0].what
    '3 against 4 values; the first that differs is number 2: 2 against 7'
    """
    steps = []
    for rung in RUNGS:
        here, there = one.rungs.get(rung.name), other.rungs.get(rung.name)
        if here is None or there is None:
            steps.append(Step(rung, "not in both"))
            continue
        differences = tuple(
            Difference(name, shape_of(here.get(name)), shape_of(there.get(name)), what)
            for name in dict.fromkeys([*here, *there])
            if (what := compare(here.get(name), there.get(name), rung.tolerance))
        )
        steps.append(Step(rung, "differs" if differences else "same", differences))
        if differences:
            break
    return Ladder((one.name, other.name), tuple(steps))


def compare(one: np.ndarray | None, other: np.ndarray | None, tolerance: float) -> str:
    """What differs between two arrays, in words; "" where nothing does, or nothing by more than the tolerance.

    >>> compare(np.uint8([[1, 2], [3, 4]]), np.uint8([[1, 2], [3, 9]]), 0)
    '1 of 4 values differ, by up to 5; the first is [1, 1]: 4 against 9'
    """
    if one is None or other is None:
        return "only in the second" if one is None else "only in the first"
    if one.shape != other.shape:
        if one.ndim == other.ndim == 1:
            n = min(len(one), len(other))
            unlike = np.flatnonzero(one[:n] != other[:n])
            at = int(unlike[0]) if len(unlike) else n
            pair = " against ".join(f"{v[at]:.6g}" if at < len(v) else "nothing" for v in (one, other))
            return f"{len(one)} against {len(other)} values; the first that differs is number {at}: {pair}"
        return "another shape"
    distance = np.abs(one.astype(np.float64) - other.astype(np.float64))
    unlike = ~(distance <= tolerance) & ~(np.isnan(one) & np.isnan(other))  # NaN against a number differs
    if not unlike.any():
        return ""
    if one.size == 1:
        return f"{one.item():.6g} against {other.item():.6g}"
    at = np.unravel_index(int(np.argmax(unlike)), one.shape)
    where = [int(n) for n in at]
    most = f"{np.nanmax(distance[unlike]):.6g}" if not np.isnan(distance[unlike]).all() else "NaN"
    pair = f"{one[at]:.6g} against {other[at]:.6g}"
    return f"{int(unlike.sum())} of {one.size} values differ, by up to {most}; the first is {where}: {pair}"


def shape_of(value: np.ndarray | None) -> str:
    """An array's shape and type, short.

    >>> shape_of(np.zeros((2, 3), np.uint8)), shape_of(np.float64(0.7)), shape_of(None)
    ('(2, 3) uint8', '0.7', '-')
    """
    if value is None:
        return "-"
    return f"{value.item():.6g}" if value.ndim == 0 else f"{tuple(map(int, value.shape))} {value.dtype}"


# ------------------------------------------------------------------------------------------------- two ways


def trace_mmkit(
    preprocessor: MultiModalPreprocessor,
    sample: MultiModalSample,
    *,
    name: str = "mmkit",
    engine: Engine | None = None,
    **sampling: Any,
) -> Trace:
    """A sample made ready by mmkit; with an engine also answered, by vLLM.

    sampling: fields of mmkit.answers.Sampling.  Raises what the preprocessor raises.
    """
    items = {
        m: [preprocessor.load(m, n, source) for n, source in enumerate(sample.items(m))]
        for m in preprocessor.modalities
    }
    clean = {f"{m} {n}": item.value for m, group in items.items() for n, item in enumerate(group)}
    wanted = sampling_of(sampling)
    chosen = {n: getattr(wanted, n) for n in ("temperature", "top_p", "top_k", "repetition_penalty")}
    rungs = _input_rungs(preprocessor, clean, preprocessor.preprocess(sample)) | {"sampling": _sampling(chosen)}
    if engine is not None:
        from mmkit.engine import for_vllm

        prompt = preprocessor.to_prompt(sample).for_vllm()
        (output,) = engine.llm.generate(prompt, for_vllm(wanted), use_tqdm=False)
        said = output.outputs[0]
        chances = [step[token].logprob for step, token in zip(said.logprobs, said.token_ids, strict=True)]
        rungs["logprobs"] = _logprobs(said.token_ids, chances)
    return Trace(name, rungs)


def trace_transformers(
    preprocessor: MultiModalPreprocessor,
    sample: MultiModalSample,
    *,
    name: str = "transformers",
    answer: bool = False,
) -> Trace:
    """A sample made ready by transformers alone: its load_image, the chat template as it is, the model's processor.

    Clips are loaded by mmkit, since transformers needs FFmpeg for that.  preprocessor: says which model.
    answer: also generate, on the CPU, as generation_config.json says.
    Raises InvalidArgument for what this way has not (finished prompts, videos), ModelError, a clip's MediaError.
    """
    from transformers.image_utils import load_image

    if sample.prompt is not None or sample.videos:
        raise InvalidArgument("transformers alone is followed for texts, pictures and clips; compare two traces")
    clips = [preprocessor.load("audio", n, source).value for n, source in enumerate(sample.audios)]
    try:
        pictures = [load_image(str(s) if isinstance(s, Path) else s) for s in sample.images]
    except Exception as error:  # Pillow's and transformers' own
        raise ModelError(f"transformers could not load a picture: {type(error).__name__}", cause=error) from error
    arguments: dict[str, Any] = {"text": [_chat_text(preprocessor, sample)]}
    if pictures:
        arguments["images"] = pictures
    if clips:
        arguments |= {"audio": [wave for wave, _ in clips], "sampling_rate": clips[0][1]}
    made = run_processor(preprocessor.processor, arguments)
    clean = {f"image {n}": picture for n, picture in enumerate(pictures)}
    rungs = _input_rungs(preprocessor, clean | {f"audio {n}": clip for n, clip in enumerate(clips)}, made)
    rungs |= {"sampling": _sampling(_generation(preprocessor.model))}
    if answer:
        import torch

        model = _model_of(preprocessor.model)
        inputs = {key: value for group in made.values() for key, value in group.items()}
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=64, output_logits=True, return_dict_in_generate=True)
        tokens = out.sequences[0, -len(out.logits) :].tolist()
        chances = [float(step[0].log_softmax(-1)[token]) for step, token in zip(out.logits, tokens, strict=True)]
        rungs["logprobs"] = _logprobs(tokens, chances)
    return Trace(name, rungs)


def _input_rungs(
    preprocessor: MultiModalPreprocessor, clean: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, np.ndarray]]:
    """decode, resize, features and tokens, from clean values and the processor's tensors."""
    decoded = {name: np.asarray(_pixels(value)) for name, value in clean.items() if not name.startswith("audio")}
    seen = {
        name: value for m in ("image", "video") for name, value in _seen(preprocessor, m, made.get(m, {})).items()
    }
    for name, value in clean.items():
        if name.startswith("audio"):
            seen |= {name: np.asarray(value[0]), f"{name} rate": np.asarray(value[1])}
    features = {
        name: np.asarray(value) for m, group in made.items() if m != "text" for name, value in group.items()
    }
    rungs = {"decode": decoded, "resize": seen, "features": features}
    tokens = {"input_ids": np.asarray(made["text"]["input_ids"][0])} if "input_ids" in made.get("text", {}) else {}
    return {rung: values for rung, values in (rungs | {"tokens": tokens}).items() if values}


def _pixels(value: Any) -> Any:
    """The array of a picture (PIL) or of a video (frames, metadata)."""
    return value[0] if isinstance(value, tuple) else value


def _seen(preprocessor: MultiModalPreprocessor, modality: str, tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Pixels as the model sees them, computed back: 255 (z std + mean), patches put together again."""
    recipe = preprocessor.family.recipes.get(modality)
    values = tensors.get("pixel_values" if modality == "image" else "pixel_values_videos")
    grids = tensors.get(f"{modality}_grid_thw")
    if recipe is None or values is None:
        return {}
    if grids is None:
        whole = values.ndim == 4  # (N, 3, h, w); tiles are another thing
        planes = [np.asarray(picture).transpose(1, 2, 0) for picture in values] if whole else []
    else:
        parts = np.split(np.asarray(values), np.cumsum([int(grid.prod()) for grid in grids])[:-1])
        sizes = recipe.patch, recipe.merge, recipe.temporal_patch
        planes = [unpatchify(p, tuple(g.tolist()), *sizes) for p, g in zip(parts, grids, strict=True)]
        planes = [frames[0] for frames in planes] if modality == "image" else planes
    return {f"{modality} {n}": denormalize(p, recipe.mean, recipe.std) for n, p in enumerate(planes)}


def _chat_text(preprocessor: MultiModalPreprocessor, sample: MultiModalSample) -> str:
    """The prompt as transformers' users make it: the chat template, with the user's text as it is."""
    if preprocessor.family.style != "chat":
        return preprocessor.render(sample)[0]
    parts = [{"type": m} for m in preprocessor.modalities for _ in sample.items(m)]
    turns = [*sample.history, (sample.text, None)]
    messages: list[dict[str, Any]] = [] if sample.system is None else [{"role": "system", "content": sample.system}]
    for question, answer in turns:
        messages.append({"role": "user", "content": [*parts, {"type": "text", "text": question}]})
        messages += [] if answer is None else [{"role": "assistant", "content": answer}]
        parts = []
    return preprocessor.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _generation(model: str) -> dict[str, Any]:
    """generation_config.json, or what holds without one, by the names and meanings of vLLM's SamplingParams."""
    from transformers import GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(model)
    except OSError:  # a model that does not generate
        config = GenerationConfig()
    found = {name: getattr(config, name) for name in ("top_p", "top_k", "repetition_penalty")}
    return found | {"temperature": (config.temperature or 1.0) if config.do_sample else 0.0}


def _sampling(chosen: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What decides the next token; at temperature 0 top_p and top_k decide nothing."""
    neutral = {"temperature": 0.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}
    greedy = not chosen["temperature"]
    names = ("temperature", "repetition_penalty") if greedy else neutral
    return {name: np.array(neutral[name] if chosen[name] is None else chosen[name], float) for name in names}


def _logprobs(tokens: Any, chances: Any) -> dict[str, np.ndarray]:
    return {"token_ids": np.array(tokens, np.int64), "logprobs": np.array(chances, np.float64)}


def _model_of(model: str) -> Any:
    """The transformers model that config.json names, float32 on the CPU.  Raises ModelError."""
    import torch
    import transformers

    from mmkit.processors import load_config

    names = load_config(model).architectures or [""]
    made = getattr(transformers, names[0], transformers.AutoModelForImageTextToText)
    try:
        return made.from_pretrained(model, dtype=torch.float32).eval()
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"{Path(model).name} cannot be loaded by transformers as {names[0]}", cause=error
        ) from error


def traces_of(
    sources: Sequence[str | Path],
    model: str | Path,
    against: str | None,
    question: str = "What is it?",
    *,
    answers: bool = False,
) -> list[Trace]:
    """The traces that `mmkit diff` compares: two saved ones, or one of a model's way and one of another's.

    sources: two .npz files, or the files of one sample.  against: "transformers", another model, a saved trace, or
    None for the first trace alone.  answers: start an engine, too.
    """
    from mmkit.engine import Engine

    if [Path(source).suffix for source in sources] == [".npz", ".npz"]:
        return [load_trace(source) for source in sources]
    sample = sample_of(sources, question)

    def way(name: str | Path) -> Trace:
        preprocessor = MultiModalPreprocessor(name)
        with Engine(name, quiet=True) if answers else nullcontext() as engine:
            return trace_mmkit(preprocessor, sample, name=f"mmkit, {Path(preprocessor.model).name}", engine=engine)

    traces = [way(model)]
    if against == "transformers":
        traces.append(trace_transformers(MultiModalPreprocessor(model), sample, answer=answers))
    elif against is not None:
        traces.append(load_trace(against) if against.endswith(".npz") else way(against))
    return traces


def sample_of(sources: Sequence[str | Path], question: str) -> MultiModalSample:
    """A sample of some files, each put where its content says.  Raises what media.read raises."""
    items: dict[str, list[Path]] = {"image": [], "audio": [], "video": []}
    for source in sources:
        items[read(Path(source)).modality].append(Path(source))
    return MultiModalSample(question, tuple(items["image"]), tuple(items["audio"]), tuple(items["video"]))


# ----------------------------------------------------------------------------------------------- kept for later


def save_trace(trace: Trace, path: str | Path) -> None:
    """Write a trace as an .npz file, to be compared on another machine or with another version."""
    arrays: dict[str, Any] = {
        f"{rung}/{name}": v for rung, values in trace.rungs.items() for name, v in values.items()
    }
    with open(path, "wb") as file:
        np.savez_compressed(file, name=np.array(trace.name), **arrays)


def load_trace(path: str | Path, name: str | None = None) -> Trace:
    """Read a trace that save_trace wrote; nothing in it is run (no pickle).

    name: what to call it, by default as it was called.
    Raises SourceNotFound and what else media.read_file raises, CorruptMedia, DecodedTooLarge.
    """
    try:
        data = io.BytesIO(read_file(path))
        with zipfile.ZipFile(data) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_TRACE:
            raise DecodedTooLarge(f"a trace of {unpacked:,} bytes; {MAX_TRACE:,} at most")
        rungs: dict[str, dict[str, np.ndarray]] = {}
        with np.load(data, allow_pickle=False) as arrays:
            known = str(arrays["name"])
            for key in arrays.files:
                rung, slash, inside = key.partition("/")
                if slash:
                    rungs.setdefault(rung, {})[inside] = arrays[key]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise CorruptMedia("not a trace that mmkit wrote", cause=error).at(source=label(path)) from error
    except MmkitError as error:
        raise error.at(source=label(path)) from error.cause
    return Trace(name or known, rungs)
