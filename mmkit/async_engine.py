"""Async engine: answers awaited or streamed, computed together while they come in, for a web handler.

    async with AsyncEngine("tiny-qwen2-vl") as engine:
        answer = await engine.ask("What color is the circle?", images=[picture])
        async for piece in engine.stream("Describe the image.", images=[picture]):
            print(piece, end="")

Follows vLLM's AsyncLLM: the engine runs in a process of its own, and requests that arrive together are computed
together. It belongs to the event loop that it was started in. A script that starts one needs the guard
`if __name__ == "__main__":`, since that process begins by reading the script.
Leaves out what a server adds: limits, and a path for strangers (serve.py).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from mmkit import shipped
from mmkit.answers import Answer, Sampling, sampling_of
from mmkit.engine import (
    Settings,
    as_typed,
    check_memory,
    for_vllm,
    idle_preprocessors,
    llm_arguments,
    llvmlite_out_of_sight,
    one_worker,
    preprocessor_for,
    runner,
    set_environment,
    to_answer,
)
from mmkit.errors import EngineFailed, MmkitError
from mmkit.samples import MultiModalSample, Prompt


class AsyncEngine:
    """A vLLM engine for one model and one event loop; use it in an `async with` block.

    model, settings, root: as of Engine.  Tasks may share it; another thread may not.
    Raises EngineMissing, ModelNotFound, OutOfMemory or EngineFailed, each with the remedy.
    """

    def __init__(
        self,
        model: str | Path = shipped.DEFAULT_MODEL,
        *,
        settings: Settings | None = None,
        root: str | Path | None = None,
    ):
        self.settings = settings or Settings()
        self.preprocessor = preprocessor_for(model, self.settings, root)
        self.model = self.preprocessor.model
        self._idle = idle_preprocessors(self.preprocessor, self.settings.workers)
        self._llm: Any = None

    async def __aenter__(self) -> AsyncEngine:
        check_memory(self.model)
        set_environment(self.model)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM

            arguments = llm_arguments(self.model, self.settings, self.preprocessor.modalities) | one_worker()
            started = AsyncEngineArgs(model=self.model, runner=runner(self.preprocessor), **arguments)
            with llvmlite_out_of_sight():
                self._llm = AsyncLLM.from_engine_args(started)
        except Exception as error:
            raise as_typed(error, starting=True) from error
        return self

    async def __aexit__(self, *failure: object) -> None:
        llm, self._llm = self._llm, None
        llm.shutdown()  # on the loop: while that ran on, it would take the engine's end for a failure

    async def ask(
        self,
        question: str,
        *,
        images: Sequence = (),
        audios: Sequence = (),
        videos: Sequence = (),
        system: str | None = None,
        history: Sequence[tuple[str, str]] = (),
        **sampling: Any,
    ) -> Answer:
        """One answer, as Engine.ask gives it.  Raises the typed error that says what is wrong."""
        sample = MultiModalSample(question, tuple(images), tuple(audios), tuple(videos), system, tuple(history))
        return await self.answer(sample, **sampling)

    async def answer(self, sample: MultiModalSample, **sampling: Any) -> Answer:
        """One answer to a sample."""
        wanted = sampling_of(sampling)
        prompt = await self._to_prompt(sample)
        async for output in self._outputs(prompt, wanted, whole=True):
            return to_answer(output, prompt.notes)
        raise EngineFailed("vLLM ended the request without an answer")

    async def stream(
        self, question: str, *, images: Sequence = (), audios: Sequence = (), **options: Any
    ) -> AsyncIterator[str]:
        """The answer piece by piece, as it is made; what is left is not computed once the caller stops."""
        wanted = sampling_of(options)
        prompt = await self._to_prompt(MultiModalSample(question, tuple(images), tuple(audios)))
        async for output in self._outputs(prompt, wanted, whole=False):
            if output.outputs[0].text:
                yield output.outputs[0].text

    async def _to_prompt(self, sample: MultiModalSample) -> Prompt:
        """A prompt, made ready in a thread, so that the event loop goes on."""

        def ready() -> Prompt:
            mine = self._idle.get()
            try:
                return mine.to_prompt(sample)
            finally:
                self._idle.put(mine)

        return await asyncio.to_thread(ready)

    async def _outputs(self, prompt: Prompt, sampling: Sampling, *, whole: bool) -> AsyncIterator[Any]:
        if self._llm is None:
            raise EngineFailed("the engine is not started; use it in an `async with` block")
        from vllm.sampling_params import RequestOutputKind

        wanted = for_vllm(sampling)
        wanted.output_kind = RequestOutputKind.FINAL_ONLY if whole else RequestOutputKind.DELTA
        try:
            async for output in self._llm.generate(prompt.for_vllm(), wanted, uuid.uuid4().hex):
                yield output
        except MmkitError:
            raise
        except Exception as error:
            raise as_typed(error) from error
