"""Samples: text with its items, made ready for a model.

    MultiModalSample -> load each item -> neutralise the text -> chat template -> prompt for LLM.generate

Follows the model directory's own processor: chat template, placeholders, preprocessing. Whatever is wrong is found
here, before the engine sees it: vLLM aborts a whole batch for one bad prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit import shipped
from mmkit.errors import BadEncoding, LimitExceeded, MmkitError, ModelNotFound
from mmkit.media import LIMITS, Limits
from mmkit.prompts import check_placeholders, neutralise, placeholders_of, reserved_strings

MODALITIES = ("image", "audio", "video")


@dataclass(frozen=True)
class MultiModalSample:
    """Text and its items, as a caller has them: paths, bytes, data URLs, pictures, arrays.

    history: earlier (question, answer) turns; the items then belong to the first of them.
    """

    text: str = ""
    images: tuple = ()
    audios: tuple = ()
    videos: tuple = ()
    system: str | None = None
    history: tuple[tuple[str, str], ...] = ()

    def items(self, modality: str) -> tuple:
        """The items of one modality.

        >>> MultiModalSample("?", images=("a.png",)).items("image")
        ('a.png',)
        """
        return tuple({"image": self.images, "audio": self.audios, "video": self.videos}[modality])


@dataclass(frozen=True)
class Prompt:
    """What `LLM.generate` takes, with a note for each repair.

    text: the prompt with one placeholder an item.  items: modality -> loaded values, as vLLM takes them.
    """

    text: str
    items: dict[str, list]
    notes: tuple[str, ...] = ()

    def for_vllm(self) -> dict[str, Any]:
        """The prompt dictionary of vLLM."""
        prompt: dict[str, Any] = {"prompt": self.text}
        if self.items:
            prompt["multi_modal_data"] = self.items
        return prompt


class MultiModalPreprocessor:
    """Makes samples ready for one model.

    model: a shipped name, a folder or a hub name.  root: the folder outside which no path is read.
    limits: budgets of mmkit.media.  max_items: modality -> how many a sample may hold.
    Raises ModelNotFound.
    """

    def __init__(
        self,
        model: str | Path = shipped.DEFAULT_MODEL,
        *,
        root: str | Path | None = None,
        limits: Limits = LIMITS,
        max_items: dict[str, int] | None = None,
        trust_remote_code: bool = False,
    ):
        self.model = shipped.resolve(model)
        self.root, self.limits = root, limits
        self.processor = load_processor(self.model, trust_remote_code)
        self.placeholders = placeholders_of(self.processor)
        self.reserved = reserved_strings(self.processor)
        self.modalities = tuple(m for m in MODALITIES if m in self.placeholders)
        self.max_items = max_items or {}

    def to_prompt(self, sample: MultiModalSample) -> Prompt:
        """Load the items and render the prompt.  Raises a typed error that names the item."""
        items, notes = {}, []
        for modality in MODALITIES:
            sources = sample.items(modality)
            self._check_number(modality, len(sources))
            if sources:
                loaded = [self._load(modality, index, source) for index, source in enumerate(sources)]
                items[modality] = [value for value, _ in loaded]
                for index, (_, found) in enumerate(loaded):
                    notes += [f"{modality} {index}: {note}" for note in found]
        text, found = self.render(sample)
        check_placeholders(text, {m: len(values) for m, values in items.items()}, self.placeholders)
        return Prompt(text, items, (*found, *notes))

    def render(self, sample: MultiModalSample) -> tuple[str, tuple[str, ...]]:
        """The sample's text in the model's own chat template, user text neutralised; and the notes."""
        notes: list[str] = []

        def plain(text: str) -> str:
            if not isinstance(text, str):
                raise BadEncoding(f"text is a {type(text).__name__}, not a str", modality="text")
            kept, found = neutralise(text, self.reserved)
            notes.extend(found)
            return kept

        turns = [*sample.history, (sample.text, None)]
        if not sample.text.strip() and not any(sample.items(m) for m in MODALITIES):
            raise BadEncoding("the question is empty and there is no item; ask something", modality="text")
        parts = [{"type": m} for m in MODALITIES for _ in sample.items(m)]
        messages: list[dict[str, Any]] = []
        if sample.system is not None:
            messages.append({"role": "system", "content": [{"type": "text", "text": plain(sample.system)}]})
        for question, answer in turns:
            messages.append({"role": "user", "content": [*parts, {"type": "text", "text": plain(question)}]})
            parts = []
            if answer is not None:
                content = [{"type": "text", "text": plain(answer)}]
                messages.append({"role": "assistant", "content": content})
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return text, tuple(notes)

    def _check_number(self, modality: str, number: int) -> None:
        allowed = self.max_items.get(modality)
        if number and modality not in self.modalities:
            able = ", ".join(self.modalities) or "text only"
            raise LimitExceeded(f"{Path(self.model).name} takes no {modality} (it takes: {able})")
        if allowed is not None and number > allowed:
            raise LimitExceeded(
                f"{number} {modality} items, at most {allowed} allowed; send fewer, or raise the limit"
            )

    def _load(self, modality: str, index: int, source: Any) -> tuple[Any, tuple[str, ...]]:
        """One item as vLLM takes it, with its notes."""
        from mmkit import audio, image, video

        guarded = {"root": self.root, "limits": self.limits}
        try:
            if modality == "image":
                from PIL import Image

                picture = image.load_image(source, **guarded)
                return Image.fromarray(picture.pixels), picture.notes
            if modality == "audio":
                clip = audio.load_audio(source, **guarded)
                return (clip.wave, clip.sample_rate), clip.notes
            film = video.load_video(source, **guarded)
            return (film.frames, film.metadata), film.notes
        except MmkitError as error:
            raise error.at(index=index, modality=modality) from error.cause


def load_processor(model: str, trust_remote_code: bool = False) -> Any:
    """The model's own transformers processor.  Raises ModelNotFound."""
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(model, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        name = ascii(Path(model).name)
        reason = str(error).strip().splitlines()[0][:200].replace(str(Path(model).parent), "...")
        raise ModelNotFound(f"{name} has no processor that transformers can load: {reason}", cause=error) from error
