"""Errors: one tree, so that a caller can catch one class and lose nothing.

    MmkitError
      MediaError       an input that cannot be used     (index, source, modality say which)
      InvalidArgument  an argument that cannot be used
      ModelError       a model or an engine that cannot be used
      BadFolder        a folder that cannot be written into

Follows the rule that an error is a sentence: which item, what value, what to do. A message never holds a
memory address, the payload or a private absolute path: whoever raises passes `label(source)`, not the source.
Leaves out error numbers: the class name is the code, also in JSON rows (`as_row`).
"""

from __future__ import annotations

import copy
import os
from typing import Any


class MmkitError(Exception):
    """Base of every error that mmkit raises.

    message: what is wrong and the remedy.  index: position of the item among its neighbours, from 0.
    row: position of the sample among its neighbours, where there are many.
    source: a short label of where the item came from.  modality: "text", "image", "audio" or "video".
    cause: the other library's exception, also kept as `__cause__`.

    >>> str(MediaError("0 bytes; nothing to decode", index=3, source="scan.png", modality="image"))
    'image 3 (scan.png): 0 bytes; nothing to decode'
    """

    def __init__(
        self,
        message: str,
        *,
        index: int | None = None,
        source: str | None = None,
        modality: str | None = None,
        row: int | None = None,
        cause: BaseException | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.index = index
        self.source = source
        self.modality = modality
        self.row = row
        self.__cause__ = cause

    @property
    def code(self) -> str:
        """The class name: stable, and the `type` of an error row."""
        return type(self).__name__

    @property
    def cause(self) -> BaseException | None:
        """The exception of another library behind this one, if any."""
        return self.__cause__

    def at(
        self,
        *,
        index: int | None = None,
        source: str | None = None,
        modality: str | None = None,
        row: int | None = None,
    ) -> MmkitError:
        """A copy that also says where: fills in only what is not known yet.

        >>> str(EmptyMedia("no samples").at(index=1, modality="audio"))
        'audio 1: no samples'
        """
        located = copy.copy(self)
        located.index = self.index if self.index is not None else index
        located.source = self.source or source
        located.modality = self.modality or modality
        located.row = self.row if self.row is not None else row
        located.__cause__ = self.__cause__
        return located

    def as_row(self) -> dict[str, str]:
        """The error as JSON rows hold it: {"type": class name, "message": one line}; the row has its own id."""
        return {"type": self.code, "message": self._located()}

    def __str__(self) -> str:
        return self._located() if self.row is None else f"sample {self.row}: {self._located()}"

    def _located(self) -> str:
        where = self.modality or "item"
        if self.index is not None:
            where += f" {self.index}"
        if self.source:
            where += f" ({self.source})"
        located = self.index is not None or self.source
        return f"{where}: {self.message}" if located else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders by pickle, which by default forgets keyword arguments.
        state = {"index": self.index, "source": self.source, "modality": self.modality, "row": self.row}
        return type(self), (self.message,), state


class MediaError(MmkitError):
    """An input that cannot be used."""


class SourceNotAllowed(MediaError):
    """A source that was not opened by name: outside the root, a URL without `fetch=`, no permission."""


class SourceNotFound(MediaError):
    """Nothing is there."""


class NotARegularFile(MediaError):
    """A directory, pipe, socket or device where a file was expected."""


class SourceTooLarge(MediaError):
    """More bytes than the budget."""


class FetchFailed(MediaError):
    """The caller's `fetch` function gave no bytes."""


class FetchTimeout(FetchFailed):
    """The caller's `fetch` function took too long."""


class UnsupportedFormat(MediaError):
    """Content that is not one of the accepted formats, or of another modality than asked for."""


class CorruptMedia(MediaError):
    """A known format, but broken."""


class TruncatedMedia(CorruptMedia):
    """A known format that ends before it said it would."""


class DecodedTooLarge(MediaError):
    """The header promises more pixels, samples or frames than the budget."""


class EmptyMedia(MediaError):
    """No bytes, pixels, samples or frames."""


class BadSampleRate(MediaError):
    """A sample rate that no sound has."""


class TooManyChannels(MediaError):
    """More channels than a down-mix makes sense for."""


class NonFiniteSamples(MediaError):
    """NaN or infinity among the values."""


class BackendMissing(MediaError):
    """The library that reads this format is not installed."""


class BadEncoding(MediaError):
    """Text, base64 or a value that is not what its type promises."""


class PlaceholderMismatch(MediaError):
    """The prompt's placeholders do not fit the items: number, modality, order or shape."""


class UuidMismatch(MediaError):
    """A caller's own name for an item that names another content than before, or none yet."""


class LimitExceeded(MediaError):
    """More items, or a more extreme shape, than the model or the caller allows."""


class ContextOverflow(MediaError):
    """The prompt with its items is longer than the model's context."""


class InvalidArgument(MmkitError, ValueError):
    """An argument that is wrong whatever the input is: an unknown name, or values that contradict each other."""


class BadFolder(MmkitError):
    """A folder that cannot be used for what it was given for: a new package, a cache."""


class ModelError(MmkitError):
    """A model or an engine that cannot be used."""


class ModelNotFound(ModelError):
    """No shipped model, directory or cached hub model of that name."""


class BadModelName(ModelError):
    """A name that a new model's package cannot have."""


class EngineMissing(ModelError):
    """vLLM is not installed."""


class OutOfMemory(ModelError):
    """The machine has not enough memory for what was asked."""


class EngineFailed(ModelError):
    """vLLM refused to start or failed while it ran."""


def label(source: object) -> str:
    """A short, safe name of a source for messages: no folder, no payload, printable.

    source: anything a caller may hand over.  Returns at most 60 characters.

    >>> label("/home/ann/private/scan.png"), label(b"...")
    ('scan.png', '3 bytes')
    """
    if isinstance(source, (str, os.PathLike)):
        text = os.fsdecode(os.fspath(source))
        if text.startswith("data:"):
            return "data URL"
        if "://" in text:
            text = text.split("?", 1)[0]
        name = ascii(text.rstrip("/").rsplit("/", 1)[-1])[1:-1]
        return name if len(name) <= 60 else name[:28] + "..." + name[-29:]
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    return type(source).__name__
