"""A stand-in for an engine, where a test asks what a runner does with rows, not what a model says to them.

It is no model: it says the mean color of a row's pictures, or its text in capitals. So an answer tells which row it
belongs to, and reading, decoding and every error on the way are the real ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit.answers import Answer
from mmkit.batch import map_ordered
from mmkit.errors import MmkitError
from mmkit.image import load_image
from mmkit.samples import MultiModalSample
from mmkit.text import clean_text


@dataclass
class StandIn:
    """The interface of an Engine.

    workers: threads.  log: a folder where each sample leaves a file when it is worked on.  seconds: that one takes.
    """

    root: Path
    workers: int = 1
    log: Path | None = None
    seconds: float = 0.0
    model: str = "stand-in"

    def answers(self, samples: Iterable[Any], **asked: Any) -> Iterator[Answer | MmkitError]:
        return map_ordered(self._answer, samples, workers=self.workers)

    def _answer(self, sample: MultiModalSample) -> Answer:
        time.sleep(self.seconds)
        if self.log is not None:
            name = f"{sample.text.split()[-1] if sample.text.split() else 'none'}.{os.getpid()}.{time.time_ns()}"
            (self.log / name).touch()
        text = clean_text(sample.text).text.upper()
        pixels = []
        for index, source in enumerate(sample.images):
            try:
                pixels.append(load_image(source, root=self.root).pixels)
            except MmkitError as error:
                raise error.at(index=index, modality="image") from error.cause
        colors = [" ".join(str(round(float(channel))) for channel in p.mean((0, 1))) for p in pixels]
        return Answer(", ".join(colors) or text, (), 1.0, 1)


@dataclass(frozen=True)
class StandInJob:
    """The same for mmkit.scale."""

    root: str
    log: str | None = None
    seconds: float = 0.0

    def asked(self) -> tuple[str | int, ...]:
        return "stand-in", 64

    def start(self) -> Any:
        engine = StandIn(Path(self.root), log=Path(self.log) if self.log else None, seconds=self.seconds)

        def work(samples: Iterable[Any]) -> Iterator[Any]:
            for result in engine.answers(samples):
                failed = isinstance(result, MmkitError)
                yield result if failed else {"answer": result.text, "tokens": 1, "notes": []}

        return work
