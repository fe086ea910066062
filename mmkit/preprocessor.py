"""Samples: text with its items, made ready for a model.

    MultiModalSample -> load each item -> neutralize the text -> chat template -> count -> one of
        preprocess    tensors: text ids and mask, image, audio and video features
        to_prompt     what LLM.generate takes: prompt, multi_modal_data, multi_modal_uuids
        to_messages   what an OpenAI-compatible server takes
        cost          tokens an item takes, from headers

Follows the model directory's own processor: chat template, placeholders, preprocessing. Whatever is wrong is found
here, before the engine sees it: vLLM aborts a whole batch for one bad prompt, and a malformed embedding stops it
for good. Nothing is ever truncated: too many items or too long a prompt is an error with a table of the costs.
Leaves out many samples at once (batch.py) and answering (engine.py).
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmkit import shipped
from mmkit.errors import (
    BadEncoding,
    ContextOverflow,
    EmptyMedia,
    LimitExceeded,
    MmkitError,
    ModelError,
    ModelNotFound,
    NonFiniteSamples,
    PlaceholderMismatch,
)
from mmkit.families import MODALITIES, family_of
from mmkit.media import LIMITS, Limits, content_key, read
from mmkit.prompts import check_placeholders, neutralize
from mmkit.recipes import ImageRecipe, model_folder, read_json
from mmkit.text import clean_text
from mmkit.tokens import (
    MIN_SECONDS,
    Cost,
    ItemCost,
    count_audio,
    count_file,
    count_image,
    count_video,
    heard_samples,
    image_tokens,
)


@dataclass(frozen=True, eq=False)
class Embedding:
    """An item whose encoder has run already.

    values: (n, hidden) floats, numpy or torch, as the language model takes them.  grid: (t, h, w) in patches for
    families that count patches (Qwen-VL: n = t * h * w / merge^2), else None.
    """

    values: Any
    grid: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class MultiModalSample:
    """Text and its items, as a caller has them: paths, bytes, data URLs, pictures, arrays, embeddings.

    history: earlier (question, answer) turns; the items then belong to the first of them.
    prompt: a finished prompt with its placeholders, used as it is in place of text, system and history. Only hand
    over what you wrote yourself: nothing in it is neutralized.
    """

    text: str = ""
    images: tuple = ()
    audios: tuple = ()
    videos: tuple = ()
    system: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    prompt: str | None = None

    def __post_init__(self) -> None:
        for name in ("images", "audios", "videos", "history"):
            given = getattr(self, name)
            if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
                raise BadEncoding(f"{name} is a {type(given).__name__}, not a list; write [{name[:-1]}]")
            object.__setattr__(self, name, tuple(given))  # a generator can be read only once

    def items(self, modality: str) -> tuple:
        """The items of one modality.

        >>> MultiModalSample("?", images=("a.png",)).items("image")
        ('a.png',)
        """
        return {"image": self.images, "audio": self.audios, "video": self.videos}[modality]


@dataclass(frozen=True, eq=False)
class Item:
    """A loaded item: `value` as vLLM takes it, `clean` as mmkit has it, and its key (hash of the clean value)."""

    modality: str
    index: int
    clean: Any
    value: Any
    key: str
    cost: ItemCost
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the clean value."""
        name = {"image": "pixels", "audio": "wave", "video": "frames"}[self.modality]
        return getattr(self.clean, "values" if isinstance(self.clean, Embedding) else name).nbytes


@dataclass(frozen=True)
class Prompt:
    """What `LLM.generate` takes, with a note for each repair.

    text: the prompt with one placeholder an item.  items: modality -> loaded values, as vLLM takes them.
    uuids: modality -> content hashes, so that vLLM's caches know a picture again wherever it came from.
    kwargs: for the model's processor, where a caller set any.  nbytes: of the items in memory.
    """

    text: str
    items: dict[str, Any]
    notes: tuple[str, ...] = ()
    uuids: dict[str, list[str]] = field(default_factory=dict)
    kwargs: dict[str, Any] = field(default_factory=dict)
    cost: Cost | None = None
    nbytes: int = 0

    def for_vllm(self) -> dict[str, Any]:
        """The prompt dictionary of vLLM."""
        prompt: dict[str, Any] = {"prompt": self.text}
        if self.items:
            prompt["multi_modal_data"] = self.items
        if self.uuids:
            prompt["multi_modal_uuids"] = self.uuids
        if self.kwargs:
            prompt["mm_processor_kwargs"] = self.kwargs
        return prompt


class MultiModalPreprocessor:
    """Makes samples ready for one model.

    model: a shipped name, a folder or a hub name.  root: the folder outside which no path is read.
    limits: budgets of mmkit.media.  max_items: modality -> how many a sample may hold.  max_model_len: tokens of
    prompt and answer together (default: what the model was made for).  fetch: URL -> bytes, for URL sources.
    processor_kwargs: passed on to the model's processor, in vLLM too, for example {"min_pixels": ...}.
    Raises ModelNotFound.
    """

    def __init__(
        self,
        model: str | Path = shipped.DEFAULT_MODEL,
        *,
        root: str | Path | None = None,
        limits: Limits = LIMITS,
        max_items: dict[str, int] | None = None,
        max_model_len: int | None = None,
        fetch: Callable[[str], bytes] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        cache: Any = None,
        trust_remote_code: bool = False,
    ):
        self.model = shipped.resolve(model)
        self.root, self.limits, self.fetch = root, limits, fetch
        self.processor = load_processor(self.model, trust_remote_code)
        self.family = family_of(self.model, self.processor, load_config(self.model, trust_remote_code))
        self.placeholders = self.family.placeholders
        self.reserved = self.family.reserved
        self.modalities = self.family.modalities
        self.context = min(max_model_len or self.family.context, self.family.context)
        self.max_items = {**(max_items or {})}
        for modality, number in self.family.limits.items():
            self.max_items[modality] = min(self.max_items.get(modality, number), number)
        self.processor_kwargs = processor_kwargs or {}
        self.cache = cache
        self._copies: list[MultiModalPreprocessor] = []

    # ------------------------------------------------------------------------------------ the four results

    def to_prompt(self, sample: MultiModalSample) -> Prompt:
        """What `LLM.generate` takes.  Raises a typed error that names the item."""
        items, text, notes = self._ready(sample)
        return Prompt(
            text=text,
            items={m: self._for_vllm(m, items[m]) for m in items},
            notes=notes,
            uuids={m: [item.key for item in items[m]] for m in items},
            kwargs=self.processor_kwargs,
            cost=self._check_context(text, [item.cost for m in items for item in items[m]]),
            nbytes=sum(item.nbytes for group in items.values() for item in group),
        )

    def preprocess(self, sample: MultiModalSample) -> dict[str, dict[str, Any]]:
        """Tensors, one dictionary a modality that is there: "text" (input_ids and attention_mask, each (1, N),
        placeholders expanded), "image" (pixel_values, image_grid_thw ...), "audio", "video".

        The names and values are those of the model's own processor.
        """
        import torch

        items, text, _ = self._ready(sample)
        self._check_context(text, [item.cost for m in items for item in items[m]])
        result: dict[str, dict[str, Any]] = {"text": {}}
        expansions: dict[str, list[Any]] = {}
        for modality, group in items.items():
            features = [self.features(item) for item in group]
            expansions[modality] = [f.pop("input_ids", None) for f in features]
            result[modality] = {name: _stacked([f[name] for f in features]) for name in features[0]}
        ids = self._spliced(text, expansions)
        result["text"] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if "mm_token_type_ids" in getattr(self.processor, "model_input_names", ()):  # Qwen-VL's positions need them
            kinds = self.processor.create_mm_token_type_ids(ids.tolist())
            result["text"]["mm_token_type_ids"] = torch.tensor(kinds, dtype=ids.dtype)
        return result

    def features(self, item: Item) -> dict[str, Any]:
        """The tensors of one item, from the cache if one is set, as the model's own processor makes them.

        Also "input_ids": the tokens that its placeholder becomes, for families that have placeholders.
        """
        if isinstance(item.clean, Embedding):
            return self._embedding_features(item)
        key = f"{item.key}-{self.signature}"
        found = self.cache.get(key) if self.cache is not None else None
        if found is None:
            found = self._run_processor(item)
            if self.cache is not None:
                self.cache.put(key, found)
        return found

    def to_messages(self, sample: MultiModalSample) -> list[dict[str, Any]]:
        """Messages for an OpenAI-compatible server; each item is a data: URL of the clean value.

        Pictures go as PNG and clips as float WAV, so the server sees the same pixels and samples. A video file
        goes as it is; frames from memory cannot (LimitExceeded), since the only way there is JPEG.
        """
        if sample.prompt is not None:
            raise BadEncoding("a finished prompt has no messages; hand over text and items", modality="text")
        items, _, _ = self._ready(sample)
        parts = [self._part(item, sample) for m in items for item in items[m]]
        messages, _ = self._messages(sample, parts)
        return messages

    def cost(self, sample: MultiModalSample) -> Cost:
        """Tokens per item, from headers (tokens.count_file).  Checks numbers, budgets and the context.

        Raises the same errors as `to_prompt` as far as headers tell; damage further in is found by decoding.
        """
        self._check_numbers(sample)
        costs = []
        for modality in MODALITIES:
            for index, source in enumerate(sample.items(modality)):
                try:
                    costs.append(self._cost_of(modality, index, source))
                except MmkitError as error:
                    raise error.at(index=index, modality=modality) from error.cause
        text, _ = self.render(sample)
        return self._check_context(text, costs)

    # --------------------------------------------------------------------------------------------- the text

    def render(self, sample: MultiModalSample) -> tuple[str, tuple[str, ...]]:
        """The sample's text in the model's own way, user text neutralized; and the notes."""
        numbers = {m: len(sample.items(m)) for m in MODALITIES}
        if sample.prompt is not None:
            check_placeholders(self._plain(sample.prompt, [], reserved=()), numbers, self.placeholders)
            return sample.prompt, ()
        style = self.family.style
        if not isinstance(sample.text, str):
            raise BadEncoding(f"text is a {type(sample.text).__name__}, not a str", modality="text")
        if not sample.text.strip() and not any(numbers.values()):
            raise BadEncoding("the question is empty and there is no item; ask something", modality="text")
        notes: list[str] = []
        if style == "chat":
            parts = [{"type": m} for m in MODALITIES for _ in range(numbers[m])]
            messages, notes = self._messages(sample, parts)
            text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        elif style == "encoder_decoder":
            if sample.text.strip():
                self._plain(sample.text, [])
                notes = ["this model takes no question, it transcribes; the text was left out"]
            text = "".join(token for token in SPEECH_START if token in self.family.reserved)
        elif style == "dual_encoder" and numbers["image"]:
            if sample.text.strip():
                raise LimitExceeded(f"{self.family.name} takes a text or a picture, not both; send two samples")
            text = ""
        else:
            around = [self.placeholders[m] for m in MODALITIES for _ in range(numbers[m])]
            text = "\n".join([*around, self._plain(sample.text, notes)])
        check_placeholders(text, numbers, self.placeholders)
        return text, tuple(notes)

    def _plain(self, text: Any, notes: list[str], reserved: tuple[str, ...] | None = None) -> str:
        """Text as the tokenizer can take it: valid, not longer than any context, control tokens broken up."""
        if not isinstance(text, str):
            raise BadEncoding(f"text is a {type(text).__name__}, not a str", modality="text")
        if len(text) > self.context * self._longest_token:
            raise ContextOverflow(
                f"{len(text):,} characters cannot fit a context of {self.context:,} tokens; shorten the text",
                modality="text",
            )
        clean = clean_text(text, max_characters=len(text))
        kept, found = neutralize(clean.text, self.reserved if reserved is None else reserved)
        notes.extend([*(f"text: {note}" for note in clean.notes), *found])
        return kept

    def _messages(self, sample: MultiModalSample, parts: list[dict]) -> tuple[list[dict[str, Any]], list[str]]:
        """Chat messages: the items with the first question, then the turns."""
        notes: list[str] = []

        def content(text: str) -> list[dict[str, Any]]:
            return [{"type": "text", "text": self._plain(text, notes)}]

        messages: list[dict[str, Any]] = []
        if sample.system is not None:
            messages.append({"role": "system", "content": content(sample.system)})
        for question, answer in [*sample.history, (sample.text, None)]:
            messages.append({"role": "user", "content": [*parts, *content(question)]})
            parts = []
            if answer is not None:
                messages.append({"role": "assistant", "content": content(answer)})
        return messages, notes

    @cached_property
    def _longest_token(self) -> int:
        return max(map(len, self._tokenizer.get_vocab()), default=1)

    @property
    def pad_id(self) -> int:
        """The token that fills a batch up; masked, so any will do where the model names none."""
        return self._tokenizer.pad_token_id or 0

    @property
    def _tokenizer(self) -> Any:
        return getattr(self.processor, "tokenizer", self.processor)

    # -------------------------------------------------------------------------------------------- the items

    def _ready(self, sample: MultiModalSample) -> tuple[dict[str, list[Item]], str, tuple[str, ...]]:
        """The loaded items by modality, the rendered text, and all notes."""
        self._check_numbers(sample)
        text, notes = self.render(sample)  # first: it is cheap, and most mistakes are found in it
        items: dict[str, list[Item]] = {}
        for modality in MODALITIES:
            loaded = [self.load(modality, i, source) for i, source in enumerate(sample.items(modality))]
            if loaded:
                items[modality] = loaded
                notes += tuple(f"{modality} {item.index}: {note}" for item in loaded for note in item.notes)
        return items, text, notes

    def _check_numbers(self, sample: MultiModalSample) -> None:
        """Raise LimitExceeded for a modality that the model does not take, or more items than it may have."""
        numbers = {m: len(sample.items(m)) for m in MODALITIES}
        for modality, number in numbers.items():
            allowed = self.max_items.get(modality)
            if number and modality not in self.modalities:
                able = ", ".join(self.modalities) or "text only"
                raise LimitExceeded(f"{self.family.name} takes no {modality} (it takes: {able})")
            if allowed is not None and number > allowed:
                table = ", ".join(f"{n} {m} of {self.max_items.get(m, n)}" for m, n in numbers.items() if n)
                raise LimitExceeded(
                    f"{number} {modality} items, at most {allowed} allowed ({table}); "
                    "send fewer, or raise the limit"
                )
        if self.family.style == "encoder_decoder" and not numbers["audio"]:
            raise PlaceholderMismatch(
                f"{self.family.name} writes down what it hears, and there is no clip: hand one over, audios=[...] "
                "(vLLM 0.32 would answer from memory that nobody filled)"
            )
        for modality in MODALITIES:
            kinds = {isinstance(source, Embedding) for source in sample.items(modality)}
            if len(kinds) > 1:
                raise PlaceholderMismatch(
                    f"{modality} items are either all embeddings or none: vLLM takes no mixture in one prompt"
                )

    def load(self, modality: str, index: int, source: Any) -> Item:
        """One item, decoded and checked.  Raises a typed error that names it."""
        try:
            if isinstance(source, Embedding):
                item = self._load_embedding(modality, index, source)
            else:
                loaders = {"image": self._load_image, "audio": self._load_audio, "video": self._load_video}
                item = loaders[modality](index, source)
            return replace(item, cost=replace(item.cost, index=index))
        except MmkitError as error:
            raise error.at(index=index, modality=modality) from error.cause

    @property
    def _guarded(self) -> dict[str, Any]:
        return {"root": self.root, "limits": self.limits, "fetch": self.fetch}

    def _load_image(self, index: int, source: Any) -> Item:
        from PIL import Image

        from mmkit.image import load_image

        picture = load_image(source, **self._guarded)
        cost = count_image(picture.height, picture.width, self._recipe("image"), picture.source)
        key = content_key("image", picture.pixels)
        return Item("image", index, picture, Image.fromarray(picture.pixels), key, cost, picture.notes)

    def _load_audio(self, index: int, source: Any) -> Item:
        import numpy as np

        from mmkit.audio import Clip, at_rate, load_audio

        clip = load_audio(source, **self._guarded)
        recipe = self._recipe("audio")
        cost = count_audio(len(clip.wave), clip.sample_rate, recipe, clip.source)
        if recipe is not None:
            heard = heard_samples(len(clip.wave), clip.sample_rate, recipe)
            clip = at_rate(clip, recipe.sample_rate)
            if heard > len(clip.wave):
                note = f"filled up with silence to {MIN_SECONDS} s"
                wave = np.pad(clip.wave, (0, heard - len(clip.wave)))
                clip = Clip(wave, clip.sample_rate, (*clip.notes, note), clip.source)
        key = content_key("audio", clip.wave, clip.sample_rate)
        return Item("audio", index, clip, (clip.wave, clip.sample_rate), key, cost, clip.notes)

    def _load_video(self, index: int, source: Any) -> Item:
        from mmkit.video import Video, load_video

        if isinstance(source, Video):
            film = source
        else:
            film = load_video(source, recipe=self._recipe("video"), **self._guarded)
        count, height, width = film.frames.shape[:3]
        cost = count_video(count, height, width, self._recipe("video"), film.source)
        key = content_key("video", film.frames, *film.times.tolist())
        return Item("video", index, film, (film.frames, film.metadata), key, cost, film.notes)

    def _load_embedding(self, modality: str, index: int, embedding: Embedding) -> Item:
        """Check an embedding's shape here: a wrong one would stop vLLM's engine for good."""
        import numpy as np
        import torch

        values = torch.as_tensor(embedding.values)
        if values.ndim != 2 or not values.is_floating_point():
            raise PlaceholderMismatch(
                f"an embedding of shape {tuple(values.shape)} and type {values.dtype}; "
                "it must be (n, hidden) floats"
            )
        rows, width = values.shape
        if width != self.family.hidden:
            raise PlaceholderMismatch(f"an embedding {width} wide; {self.family.name} takes {self.family.hidden}")
        if not rows:
            raise EmptyMedia("an embedding without rows")
        if embedding.grid is None:
            if self._counts_patches(modality):
                raise PlaceholderMismatch("an embedding for this model needs its grid (t, h, w), in patches")
            recipe = self.family.recipes.get(modality)
            if getattr(recipe, "resize", None) == "stretch" and rows != (expected := _every_picture(recipe)):
                raise PlaceholderMismatch(
                    f"{rows} embeddings; recipe {recipe.name} makes {expected} of every picture"
                )
        else:
            t, h, w = embedding.grid
            expected, rest = divmod(t * h * w, self.family.merge**2)
            if rows != expected or rest:
                raise PlaceholderMismatch(f"{rows} embeddings for a grid of {t} x {h} x {w}: expected {expected}")
        if not torch.isfinite(values).all():
            raise NonFiniteSamples("an embedding with a value that is not a finite number")
        cost = ItemCost(modality, "embedding", f"{rows} rows", rows, (rows,))
        array = values.detach().to(torch.float32).cpu().numpy()
        key = content_key(f"{modality} embedding", np.ascontiguousarray(array), str(values.dtype), embedding.grid)
        return Item(modality, index, embedding, values, key, cost)

    def _counts_patches(self, modality: str) -> bool:
        return self.family.merge > 1 and modality in ("image", "video")

    def _for_vllm(self, modality: str, group: list[Item]) -> Any:
        """The items of a modality as vLLM takes them."""
        if not isinstance(group[0].clean, Embedding):
            return [item.value for item in group]
        import torch

        if not self._counts_patches(modality):
            return [item.value for item in group]
        return {
            f"{modality}_embeds": torch.cat([item.value for item in group]),
            f"{modality}_grid_thw": torch.tensor([item.clean.grid for item in group]),
        }

    def _embedding_features(self, item: Item) -> dict[str, Any]:
        import torch

        token = self._tokenizer.convert_tokens_to_ids(self.placeholders[item.modality])
        features = {f"{item.modality}_embeds": item.value, "input_ids": torch.full((1, len(item.value)), token)}
        if item.clean.grid is not None:
            features[f"{item.modality}_grid_thw"] = torch.tensor([item.clean.grid])
        return features

    def _spliced(self, text: str, expansions: dict[str, list[Any]]) -> Any:
        """(1, N) ids of the text, with each placeholder's id replaced by the tokens of its item."""
        import torch

        ids = self._tokenizer(text, add_special_tokens=self.family.style != "encoder_decoder", return_tensors="pt")
        ids = ids.input_ids.long()
        modality_of = {
            self._tokenizer.convert_tokens_to_ids(self.placeholders[m]): m
            for m in expansions
            if m in self.placeholders
        }
        waiting = {m: iter(expansions[m]) for m in expansions}
        pieces = [
            next(waiting[modality_of[token]])[0] if token in modality_of else torch.tensor([token])
            for token in ids[0].tolist()
        ]
        return torch.cat(pieces)[None] if pieces else ids

    def _run_processor(self, item: Item) -> dict[str, Any]:
        """The model's own processor on one loaded item.  Raises ModelError where it refuses it."""
        arguments: dict[str, Any] = {**self.processor_kwargs, "return_tensors": "pt"}
        if item.modality in self.placeholders:
            arguments |= {"text": [self.placeholders[item.modality]], "add_special_tokens": False}
        if item.modality == "image":
            arguments["images"] = [item.value]
        if item.modality == "audio":
            arguments |= {"audio": [item.value[0]], "sampling_rate": item.value[1]}
        if item.modality == "video":
            arguments |= {"videos": [item.value[0]], **_video_arguments(item.value[1])}
        try:
            made = dict(self.processor(**arguments))
        except (ValueError, TypeError, RuntimeError) as error:
            raise ModelError(
                f"the processor of {self.family.name} refused the item: {type(error).__name__}", cause=error
            ) from error
        ids = made.pop("input_ids", None)
        kept = {name: value for name, value in made.items() if _modality_of(name) == item.modality}
        return kept if ids is None else {**kept, "input_ids": ids}

    @cached_property
    def signature(self) -> str:
        """A name for the processing itself: the processor's settings, its arguments and its version."""
        import transformers

        settings = [self.processor.to_dict(), self.processor_kwargs, transformers.__version__]
        return hashlib.blake2b(
            json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=8
        ).hexdigest()

    def copies(self, number: int) -> list[MultiModalPreprocessor]:
        """So many others with processors of their own, for other threads; made once and kept."""
        while len(self._copies) < number:
            twin = copy.copy(self)
            twin.processor = copy.deepcopy(self.processor)
            self._copies.append(twin)
        return self._copies[: max(number, 0)]

    # --------------------------------------------------------------------------------------------- the cost

    def _check_context(self, text: str, costs: list[ItemCost]) -> Cost:
        """The cost of a prompt.  Raises ContextOverflow with its table, where nothing is left for an answer."""
        apart = self.family.style == "encoder_decoder"
        ids = self._tokenizer(text, add_special_tokens=not apart).input_ids
        standing = len(costs) if self.placeholders else 0
        cost = Cost(len(ids) - standing, tuple(costs), self.context, encoded_apart=apart)
        if cost.total >= self.context:
            raise ContextOverflow(
                f"{cost.total} tokens and no room for an answer in a context of {self.context} ({cost.table()}); "
                "send fewer or smaller items, or a shorter text"
            )
        return cost

    def _cost_of(self, modality: str, index: int, source: Any) -> ItemCost:
        """One item's cost from its header, where it comes from a file; else from the value itself."""
        if not _has_header(source):
            return self.load(modality, index, source).cost
        blob = read(source, modality=modality, root=self.root, limits=self.limits, fetch=self.fetch)
        return replace(count_file(blob, self._recipe(modality), self.limits), index=index)

    def _recipe(self, modality: str) -> Any:
        return self.family.recipes.get(modality)

    # ------------------------------------------------------------------------------------------- a message

    def _part(self, item: Item, sample: MultiModalSample) -> dict[str, Any]:
        """One content part of a message."""
        if isinstance(item.clean, Embedding):
            raise LimitExceeded("embeddings do not travel in messages; use to_prompt", modality=item.modality)
        if item.modality == "image":
            packed = io.BytesIO()
            item.value.save(packed, "PNG")
            return {"type": "image_url", "image_url": {"url": _data_url("image/png", packed.getvalue())}}
        if item.modality == "audio":
            import soundfile

            packed = io.BytesIO()
            soundfile.write(packed, item.clean.wave, item.clean.sample_rate, format="WAV", subtype="FLOAT")
            data = base64.b64encode(packed.getvalue()).decode()
            return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
        source = sample.videos[item.index]
        if not _has_header(source):
            raise LimitExceeded(
                "frames from memory do not travel in messages; send the file, or use to_prompt",
                index=item.index,
                modality="video",
            )
        blob = read(source, modality="video", **self._guarded)
        kind = {"mov": "quicktime", "mkv": "x-matroska", "avi": "x-msvideo"}.get(blob.format, blob.format)
        return {"type": "video_url", "video_url": {"url": _data_url(f"video/{kind}", blob.data)}}


SPEECH_START = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")


def _has_header(source: Any) -> bool:
    """Is this a file in some form, and not a value in memory?"""
    return isinstance(source, (str, bytes, bytearray, memoryview, Path)) or callable(getattr(source, "read", None))


def _video_arguments(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a processor wants beside frames that are chosen already."""
    from transformers.video_utils import VideoMetadata

    known = {name: value for name, value in metadata.items() if name != "do_sample_frames"}
    return {"video_metadata": [VideoMetadata(**known)], "do_sample_frames": False}


def _every_picture(recipe: ImageRecipe) -> int:
    """Tokens of any picture, where the recipe stretches all to one size."""
    return image_tokens(recipe.size, recipe.size, recipe)


def _stacked(tensors: list[Any]) -> Any:
    """Tensors of one name, an item each, along the first axis; shorter clips are filled up with zeros."""
    import torch

    longest = max(tensor.shape[-1] for tensor in tensors) if tensors[0].ndim > 2 else 0
    pad = torch.nn.functional.pad
    return torch.cat([pad(t, (0, longest - t.shape[-1])) if t.ndim > 2 else t for t in tensors])


def _modality_of(name: str) -> str:
    """The modality of one of a processor's outputs, by its name."""
    if "video" in name:
        return "video"
    if "pixel" in name or "image" in name:
        return "image"
    if "feature" in name or "audio" in name:
        return "audio"
    return "text"


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def load_processor(model: str, trust_remote_code: bool = False) -> Any:
    """The model's own transformers processor.  Raises ModelNotFound."""
    from transformers import AutoProcessor

    return _loaded(AutoProcessor, model, trust_remote_code, "processor")


def load_config(model: str, trust_remote_code: bool = False) -> Any:
    """The model's own transformers config.  Raises ModelNotFound."""
    from transformers import AutoConfig

    return _loaded(AutoConfig, model, trust_remote_code, "config")


def register_model_type(model: str) -> None:
    """Let an installed package tell transformers of the architecture that a model's config.json names.

    Entry points of the group "mmkit.models", named by model_type; vLLM's own group for this is
    "vllm.general_plugins", whose entry points may import vLLM.
    """
    folder = model_folder(model)
    kind = read_json(folder / "config.json").get("model_type") if folder else None
    for entry in entry_points(group="mmkit.models", name=kind) if kind else ():
        entry.load()()


def _loaded(factory: Any, model: str, trust_remote_code: bool, what: str) -> Any:
    register_model_type(model)
    try:
        return factory.from_pretrained(model, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        name = ascii(Path(model).name)
        reason = str(error).strip().splitlines()[0][:200].replace(str(Path(model).parent), "...")
        raise ModelNotFound(f"{name} has no {what} that transformers can load: {reason}", cause=error) from error
