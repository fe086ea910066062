"""Modalities: the one place where image, audio and video part.

    source -> load -> Item (clean value, value for vLLM, key, cost)
    Item -> arguments of the model's processor
    Item -> content part of a server's message
    picture -> at_model_size -> resized already, as the model's processor would do it

Each class does these three things for one modality; whoever adds a modality writes such a class, and adds its
counting to tokens.py. Leaves out embeddings that come in finished (embeddings.py).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from mmkit.errors import LimitExceeded, ModelError
from mmkit.image import Picture, load_image, resize_to_recipe
from mmkit.media import LIMITS, Limits, content_key, read
from mmkit.recipes import ImageRecipe
from mmkit.samples import Embedding, Item
from mmkit.tokens import MIN_SECONDS, count_audio, count_image, count_video, heard_samples, seen_size


@dataclass(frozen=True)
class Guard:
    """How sources are read: root, limits and fetch of mmkit.media; resize_images: see at_model_size."""

    root: str | Path | None = None
    limits: Limits = LIMITS
    fetch: Callable[[str], bytes] | None = None
    resize_images: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """root, limits and fetch, as keyword arguments of the loaders.

        >>> Guard(root="data").options["root"]
        'data'
        """
        return {"root": self.root, "limits": self.limits, "fetch": self.fetch}


class Modality(Protocol):
    """What the preprocessor needs of a modality.  recipe: the model's own, or None where mmkit knows none."""

    def load(self, source: Any, recipe: Any, guard: Guard) -> Item:
        """Decode and check one item.  Raises a MediaError."""
        ...

    def arguments(self, items: Sequence[Item]) -> dict[str, Any]:
        """What the model's transformers processor is called with."""
        ...

    def part(self, item: Item, source: Any, guard: Guard) -> dict[str, Any]:
        """A content part of an OpenAI-compatible message.  Raises LimitExceeded for what cannot travel."""
        ...


class ImageModality:
    """Pictures: to vLLM as PIL images, to servers as PNG."""

    def load(self, source: Any, recipe: Any, guard: Guard) -> Item:
        from PIL import Image

        picture = load_image(source, **guard.options)
        cost = count_image(picture.height, picture.width, recipe, picture.source)
        if guard.resize_images:
            picture = at_model_size(picture, recipe)
        key = content_key("image", picture.pixels)
        value = Image.fromarray(picture.pixels)
        return Item("image", picture, value, key, cost, picture.pixels.nbytes, picture.notes)

    def arguments(self, items: Sequence[Item]) -> dict[str, Any]:
        return {"images": [item.value for item in items]}

    def part(self, item: Item, source: Any, guard: Guard) -> dict[str, Any]:
        packed = io.BytesIO()
        item.value.save(packed, "PNG")
        return {"type": "image_url", "image_url": {"url": data_url("image/png", packed.getvalue())}}


class AudioModality:
    """Clips: at the model's rate, to vLLM as (wave, rate), to servers as float WAV."""

    def load(self, source: Any, recipe: Any, guard: Guard) -> Item:
        import numpy as np

        from mmkit.audio import Clip, at_rate, load_audio

        clip = load_audio(source, **guard.options)
        cost = count_audio(len(clip.wave), clip.sample_rate, recipe, clip.source)
        if recipe is not None:
            heard = heard_samples(len(clip.wave), clip.sample_rate, recipe)
            clip = at_rate(clip, recipe.sample_rate)
            if heard > len(clip.wave):
                note = f"filled up with silence to {MIN_SECONDS} s"
                wave = np.pad(clip.wave, (0, heard - len(clip.wave)))
                clip = Clip(wave, clip.sample_rate, (*clip.notes, note), clip.source)
        key = content_key("audio", clip.wave, clip.sample_rate)
        return Item("audio", clip, (clip.wave, clip.sample_rate), key, cost, clip.wave.nbytes, clip.notes)

    def arguments(self, items: Sequence[Item]) -> dict[str, Any]:
        waves, rates = zip(*(item.value for item in items), strict=True)
        return {"audio": list(waves), "sampling_rate": rates[0]}

    def part(self, item: Item, source: Any, guard: Guard) -> dict[str, Any]:
        import soundfile

        packed = io.BytesIO()
        soundfile.write(packed, item.clean.wave, item.clean.sample_rate, format="WAV", subtype="FLOAT")
        data = base64.b64encode(packed.getvalue()).decode()
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


class VideoModality:
    """Videos: the frames that the recipe samples, to vLLM as (frames, metadata), to servers as the file itself."""

    def load(self, source: Any, recipe: Any, guard: Guard) -> Item:
        from mmkit.video import Video, load_video

        film = source if isinstance(source, Video) else load_video(source, recipe=recipe, **guard.options)
        height, width = film.frames.shape[1:3]
        cost = count_video(film.clock / film.fps, height, width, recipe, film.source)
        key = content_key("video", film.frames, *film.times.tolist())
        return Item("video", film, (film.frames, film.metadata), key, cost, film.frames.nbytes, film.notes)

    def arguments(self, items: Sequence[Item]) -> dict[str, Any]:
        from transformers.video_utils import VideoMetadata

        films, facts = zip(*(item.value for item in items), strict=True)
        facts = [{name: value for name, value in fact.items() if name != "do_sample_frames"} for fact in facts]
        clocks = [VideoMetadata(**fact) for fact in facts]
        return {"videos": list(films), "video_metadata": clocks, "do_sample_frames": False}

    def part(self, item: Item, source: Any, guard: Guard) -> dict[str, Any]:
        if not has_header(source):
            raise LimitExceeded("frames from memory do not travel in messages; send the file, or use to_prompt")
        blob = read(source, modality="video", **guard.options)
        kind = {"mov": "quicktime", "mkv": "x-matroska", "avi": "x-msvideo"}.get(blob.format, blob.format)
        return {"type": "video_url", "video_url": {"url": data_url(f"video/{kind}", blob.data)}}


HANDLERS: dict[str, Modality] = {"image": ImageModality(), "audio": AudioModality(), "video": VideoModality()}


def at_model_size(picture: Picture, recipe: Any) -> Picture:
    """The picture at the size in which the model sees it: its processor's own resize then changes no pixel.

    The tensors are the same bit for bit; the work is done here, in the caller's thread, and less is hashed, kept
    and sent.  As it was where the pixels are the processor's own affair (tiles, LANCZOS, an unknown family), and
    where it would resize once more (a strip as thin as the limits allow).
    """
    with suppress(LimitExceeded, ModelError):
        if isinstance(recipe, ImageRecipe):
            size = seen_size(picture.height, picture.width, recipe)
            if size == seen_size(*size, recipe):
                return replace(picture, pixels=resize_to_recipe(picture, recipe))
    return picture


def arguments_of(items: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
    """What the model's processor is called with for all items of a sample.  Raises LimitExceeded for embeddings."""
    arguments: dict[str, Any] = {}
    for modality, group in items.items():
        if any(isinstance(item.clean, Embedding) for item in group):
            raise LimitExceeded("this model's processor takes no embeddings; use to_prompt", modality=modality)
        arguments |= HANDLERS[modality].arguments(group)
    return arguments


def has_header(source: Any) -> bool:
    """Is this a file in some form, and not a value in memory?

    >>> has_header("a.png"), has_header([1, 2])
    (True, False)
    """
    return isinstance(source, (str, bytes, bytearray, memoryview, Path)) or callable(getattr(source, "read", None))


def data_url(kind: str, data: bytes) -> str:
    """Bytes as a data: URL.

    >>> data_url("text/plain", b"hi")
    'data:text/plain;base64,aGk='
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
