"""The preprocessor: samples made ready for one model.

    MultiModalSample -> render the text (messages) -> load the items (modalities, embeddings) -> count (tokens)
                     -> one of
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

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mmkit import shipped
from mmkit.embeddings import embedding_features, for_vllm, load_embedding
from mmkit.errors import ContextOverflow, InvalidArgument, LimitExceeded, MmkitError, label
from mmkit.families import MODALITIES, family_of
from mmkit.media import LIMITS, Limits, read
from mmkit.messages import chat_messages, render
from mmkit.modalities import HANDLERS, Guard, arguments_of, has_header
from mmkit.processors import (
    expand_ids,
    items_are_apart,
    load_config,
    load_processor,
    processing_signature,
    run_processor,
    stack_features,
)
from mmkit.samples import Embedding, Item, MultiModalSample, Prompt, check_items
from mmkit.tokens import Cost, ItemCost, count_file


class MultiModalPreprocessor:
    """Makes samples ready for one model.

    model: a shipped name, a folder or a hub name.  root: the folder outside which no path is read.
    limits: budgets of mmkit.media.  max_items: modality -> how many a sample may hold.  max_model_len: tokens of
    prompt and answer together (default: what the model was made for).  fetch: URL -> bytes, for URL sources.
    processor_kwargs: passed on to the model's processor, in vLLM too, for example {"min_pixels": ...}.
    cache: keeps features by content, see batch.FeatureCache.
    resize_images: hand pictures over at the model's own size (modalities.at_model_size): the same tensors, and the
    resize is done by the thread that calls, not by the engine's; to a server smaller pictures travel.
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
        resize_images: bool = False,
        trust_remote_code: bool = False,
    ):
        self.model = shipped.resolve(model)
        self.guard = Guard(root, limits, fetch, resize_images)
        self.processor = load_processor(self.model, trust_remote_code)
        self.processor_kwargs = processor_kwargs or {}
        config = load_config(self.model, trust_remote_code)
        family = family_of(self.model, self.processor, config, self.processor_kwargs)
        self.family = replace(family, context=min(max_model_len or family.context, family.context))
        allowed = max_items or {}
        own = {m: min(number, allowed.get(m, number)) for m, number in family.limits.items()}
        self.max_items = {**allowed, **own}
        self.cache = cache
        self._copies: list[MultiModalPreprocessor] = []

    # ------------------------------------------------------------------------------------ the four results

    def to_prompt(self, sample: MultiModalSample) -> Prompt:
        """What `LLM.generate` takes.  Raises a typed error that names the item."""
        items, text, notes = self._ready(sample)
        return Prompt(
            text=text,
            items={m: self._for_vllm(m, group) for m, group in items.items()},
            cost=self._check_context(text, [item.cost for group in items.values() for item in group]),
            notes=notes,
            uuids={m: [item.key for item in group] for m, group in items.items()},
            kwargs=self.processor_kwargs,
            nbytes=sum(item.nbytes for group in items.values() for item in group),
        )

    def preprocess(self, sample: MultiModalSample) -> dict[str, dict[str, Any]]:
        """Tensors, one dictionary a modality that is there: "text" (input_ids and attention_mask, each (1, N),
        placeholders expanded), "image" (pixel_values, image_grid_thw ...), "audio", "video".

        The names and values are those of the model's own processor.
        """
        import torch

        items, text, _ = self._ready(sample)
        self._check_context(text, [item.cost for group in items.values() for item in group])
        if not all(items_are_apart(self.family.recipes.get(m)) for m in items):
            return run_processor(self.processor, self.processor_kwargs | arguments_of(items) | {"text": [text]})
        result: dict[str, dict[str, Any]] = {"text": {}}
        expansions: dict[int, list[Any]] = {}
        for modality, group in items.items():
            features = [self.features(item) for item in group]
            if modality in self.placeholders:
                placeholder = self.tokenizer.convert_tokens_to_ids(self.placeholders[modality])
                expansions[placeholder] = [f.pop("input_ids")[0].tolist() for f in features]
            result[modality] = {name: stack_features([f[name] for f in features]) for name in features[0]}
        ids = torch.tensor([expand_ids(self._ids(text), expansions)])
        result["text"] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if "mm_token_type_ids" in getattr(self.processor, "model_input_names", ()):  # Qwen-VL's positions need them
            kinds = self.processor.create_mm_token_type_ids(ids.tolist())
            result["text"]["mm_token_type_ids"] = torch.tensor(kinds, dtype=ids.dtype)
        return result

    def to_messages(self, sample: MultiModalSample) -> list[dict[str, Any]]:
        """Messages for an OpenAI-compatible server; each item is a data: URL of the clean value.

        Pictures go as PNG and clips as float WAV, so the server sees the same pixels and samples. A video file
        goes as it is; frames from memory and embeddings cannot (LimitExceeded).
        """
        if sample.prompt is not None:
            raise InvalidArgument("a finished prompt has no messages; hand over text and items", modality="text")
        items, _, _ = self._ready(sample)
        parts = []
        for modality, group in items.items():
            for item, source in zip(group, sample.items(modality), strict=True):
                with _naming(modality, item.cost.index, source):
                    if isinstance(source, Embedding):
                        raise LimitExceeded("embeddings do not travel in messages; use to_prompt")
                    parts.append(HANDLERS[modality].part(item, source, self.guard))
        messages, _ = chat_messages(sample, parts, self.family)
        return messages

    def cost(self, sample: MultiModalSample) -> Cost:
        """Tokens per item, from headers (tokens.count_file).  Checks numbers, budgets and the context.

        Raises the same errors as `to_prompt` as far as headers tell; damage further in is found by decoding.
        """
        check_items(sample, self.family, self.max_items)
        costs = [
            self._cost_of(modality, index, source)
            for modality in MODALITIES
            for index, source in enumerate(sample.items(modality))
        ]
        text, _ = self.render(sample)
        return self._check_context(text, costs)

    # --------------------------------------------------------------------------------------------- the parts

    def render(self, sample: MultiModalSample) -> tuple[str, tuple[str, ...]]:
        """The sample's text in the model's own way, user text neutralized; and the notes."""
        return render(sample, self.family, self.processor)

    def load(self, modality: str, index: int, source: Any) -> Item:
        """One item, decoded and checked.  Raises a typed error that names it."""
        with _naming(modality, index, source):
            if isinstance(source, Embedding):
                item = load_embedding(modality, source, self.family)
            else:
                item = HANDLERS[modality].load(source, self.family.recipes.get(modality), self.guard)
            return replace(item, cost=replace(item.cost, index=index))

    def features(self, item: Item) -> dict[str, Any]:
        """The tensors of one item, from the cache if one is set, as the model's own processor makes them.

        Also "input_ids": the tokens that its placeholder becomes, for families that have placeholders.
        """
        placeholder = self.family.placeholders.get(item.modality)
        if isinstance(item.clean, Embedding):
            return embedding_features(item, self.tokenizer.convert_tokens_to_ids(placeholder))
        key = f"{item.key}-{self.signature}"
        found = self.cache.get(key) if self.cache is not None else None
        if found is None:
            arguments = self.processor_kwargs | HANDLERS[item.modality].arguments([item])
            if placeholder is not None:
                arguments |= {"text": [placeholder], "add_special_tokens": False}
            made = run_processor(self.processor, arguments)
            ids = {"input_ids": made["text"]["input_ids"]} if placeholder is not None else {}
            found = made[item.modality] | ids
            if self.cache is not None:
                self.cache.put(key, found)
        return found

    @cached_property
    def signature(self) -> str:
        """A name for the processing itself, so that a cache tells one way from another."""
        return processing_signature(self.processor, self.processor_kwargs)

    def copies(self, number: int) -> list[MultiModalPreprocessor]:
        """So many others with processors of their own, for other threads; made once and kept."""
        while len(self._copies) < number:
            twin = copy.copy(self)
            twin.processor = copy.deepcopy(self.processor)
            self._copies.append(twin)
        return self._copies[: max(number, 0)]

    # ------------------------------------------------------------------------------------- facts of the model

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the model takes beside text."""
        return self.family.modalities

    @property
    def placeholders(self) -> dict[str, str]:
        """Modality -> the string that stands for one item in a prompt."""
        return self.family.placeholders

    @property
    def reserved(self) -> tuple[str, ...]:
        """What a user's text must not spell: control tokens, broken up by `render`."""
        return self.family.reserved

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return self.family.context

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    def pad_id(self) -> int:
        """The token that fills a batch up; masked, so any will do where the model names none."""
        return self.tokenizer.pad_token_id or 0

    # ----------------------------------------------------------------------------------------------- the steps

    def _ready(self, sample: MultiModalSample) -> tuple[dict[str, list[Item]], str, tuple[str, ...]]:
        """The loaded items by modality, the rendered text, and all notes."""
        check_items(sample, self.family, self.max_items)
        text, notes = self.render(sample)  # first: it is cheap, and most mistakes are found in it
        items: dict[str, list[Item]] = {}
        for modality in MODALITIES:
            loaded = [self.load(modality, i, source) for i, source in enumerate(sample.items(modality))]
            if loaded:
                items[modality] = loaded
                notes += tuple(f"{modality} {i}: {note}" for i, item in enumerate(loaded) for note in item.notes)
        return items, text, notes

    def _cost_of(self, modality: str, index: int, source: Any) -> ItemCost:
        """One item's cost from its header, where it comes from a file; else from the value itself."""
        if not has_header(source):
            return self.load(modality, index, source).cost
        with _naming(modality, index, source):
            blob = read(source, modality=modality, **self.guard.options)
            found = count_file(blob, self.family.recipes.get(modality), self.guard.limits)
            return replace(found, index=index)

    def _check_context(self, text: str, costs: list[ItemCost]) -> Cost:
        """The cost of a prompt.  Raises ContextOverflow with its table, where nothing is left for an answer."""
        apart = self.family.style in ("encoder_decoder", "dual_encoder")  # no item takes room beside the text
        words = self._count_words(text, [cost.modality for cost in costs])
        cost = Cost(words, tuple(costs), self.context, encoded_apart=apart)
        if cost.total >= self.context:
            raise ContextOverflow(
                f"{cost.total} tokens and no room for an answer in a context of {self.context} ({cost.table()}); "
                "send fewer or smaller items, or a shorter text"
            )
        return cost

    def _count_words(self, text: str, modalities: list[str]) -> int:
        """Tokens of a rendered prompt beside those that the items' placeholders become."""
        marks = [self.family.marks[m] for m in modalities if m in self.placeholders]
        for modality in self.placeholders:
            text = text.replace(self.placeholders[modality], self.family.marks[modality])
        return len(self._ids(text)) - sum(len(self.tokenizer(m, add_special_tokens=False).input_ids) for m in marks)

    def _ids(self, text: str) -> list[int]:
        """Token ids of a rendered prompt; a speech decoder's start tokens are in it already."""
        return self.tokenizer(text, add_special_tokens=self.family.style != "encoder_decoder").input_ids

    def _for_vllm(self, modality: str, group: list[Item]) -> Any:
        if isinstance(group[0].clean, Embedding):
            return for_vllm(modality, group, self.family)
        return [item.value for item in group]


@contextmanager
def _naming(modality: str, index: int, source: Any) -> Iterator[None]:
    """Typed errors from inside say which item."""
    try:
        yield
    except MmkitError as error:
        raise error.at(index=index, modality=modality, source=label(source)) from error.cause
