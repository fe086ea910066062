"""Client: a server's URL in place of an engine, with the same methods and the same results.

    client = Client("http://127.0.0.1:8000/v1")
    print(client.ask("What color is the circle?", images=["scene.png"]))

Follows OpenAI's protocol by its official library; the server is vLLM's, best started by `mmkit serve`. One result
per sample, in order; as many at once as `max_concurrency` says; what the server is too busy for (429, 5xx) is asked
again after a while. This is the only module that opens a connection, and only to the URL that it was given.
Leaves out neutralizing what users typed, unless it is given the model's preprocessor: `mmkit serve` does it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmkit import errors
from mmkit.answers import Answer, Sampling, sampling_of
from mmkit.batch import map_ordered
from mmkit.errors import BackendMissing, ContextOverflow, EngineFailed, InvalidArgument, MmkitError
from mmkit.modalities import HANDLERS, Guard
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import MultiModalSample
from mmkit.text import clean_text


class Client:
    """An engine at a URL; use it in a `with` block, or call `close`.  Threads may share it.

    url: ends in /v1.  model: its name there (default: the one that the server has).
    root: the folder outside which no path of a sample is read.
    preprocessor: of the same model, to have mistakes found here and text neutralized, whatever the server does.
    max_concurrency: requests at once.  max_retries: of one request, each after a longer while.
    timeout: seconds of one try.
    Raises BackendMissing without the openai library, EngineFailed where no server answers.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str = "none",
        root: str | Path | None = None,
        preprocessor: MultiModalPreprocessor | None = None,
        max_concurrency: int = 8,
        max_retries: int = 4,
        timeout: float = 120.0,
    ):
        try:
            import openai
        except ImportError as error:
            raise BackendMissing(
                "a server is asked through openai's library: pip install openai", cause=error
            ) from error
        self.url, self.guard, self.preprocessor = url, Guard(root), preprocessor
        self.max_concurrency = max_concurrency
        self._openai = openai.OpenAI(
            base_url=url,
            api_key=api_key,
            max_retries=max_retries,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(trust_env=False, follow_redirects=False),  # to this URL alone
        )
        self.model = model or self._call(lambda: self._openai.models.list().data[0].id)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._openai.close()

    def ask(
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
        """One answer to one question about some items.  Raises the typed error that says what is wrong.

        sampling: fields of mmkit.answers.Sampling.
        """
        sample = MultiModalSample(question, tuple(images), tuple(audios), tuple(videos), system, tuple(history))
        return self._answer(sample, sampling_of(sampling))

    def stream(
        self, question: str, *, images: Sequence = (), audios: Sequence = (), **options: Any
    ) -> Iterator[str]:
        """The same answer piece by piece, as it is made."""
        sampling = sampling_of(options)
        sample = MultiModalSample(question, tuple(images), tuple(audios))
        messages, _ = self._messages(sample)
        pieces = self._call(lambda: self._create(messages, sampling, stream=True))
        try:
            for piece in pieces:
                if piece.choices and piece.choices[0].delta.content:
                    yield piece.choices[0].delta.content
        finally:
            pieces.close()

    def answer(self, samples: Iterable[MultiModalSample | MmkitError], **options: Any) -> list[Answer | MmkitError]:
        """One result per sample, in order, each an Answer or a typed error."""
        return list(self.answers(samples, **options))

    def answers(
        self, samples: Iterable[MultiModalSample | MmkitError], **sampling: Any
    ) -> Iterator[Answer | MmkitError]:
        """Like `answer`, one at a time as they come.

        A sample may itself be an error: it comes back in its place. Raises EngineFailed where the server is gone,
        since no later sample would fare better.
        """
        wanted = sampling_of(sampling)
        return self._until_gone(
            map_ordered(lambda sample: self._answer(sample, wanted), samples, workers=self.max_concurrency)
        )

    def transcribe(self, clip: Any, *, language: str | None = None) -> str:
        """What is said in one clip, by the server's transcription endpoint.  Raises a typed error."""
        import soundfile

        from mmkit.audio import load_audio

        loaded = load_audio(clip, **self.guard.options)
        packed = io.BytesIO()
        soundfile.write(packed, loaded.wave, loaded.sample_rate, format="WAV", subtype="FLOAT")
        given: dict[str, Any] = {"language": language} if language else {}
        file = ("clip.wav", packed.getvalue())
        made = self._call(
            lambda: self._openai.audio.transcriptions.create(file=file, model=self.model, temperature=0, **given)
        )
        return made.text.strip()

    def embed(self, texts: Iterable[str] = (), *, images: Iterable = ()) -> list[Any]:
        """One vector for each text, then one for each picture; a typed error in place of each that has none.

        Returns (width,) float32 arrays of length 1.
        """
        samples = [*(MultiModalSample(text) for text in texts), *(MultiModalSample(images=(i,)) for i in images)]
        return list(self._until_gone(map_ordered(self._embed, samples, workers=self.max_concurrency)))

    # ---------------------------------------------------------------------------------------------- one request

    def _answer(self, sample: MultiModalSample, sampling: Sampling) -> Answer:
        messages, notes = self._messages(sample)
        made = self._call(lambda: self._create(messages, sampling, logprobs=True))
        first, *others = (
            Answer(
                text=(choice.message.content or "").strip(),
                token_ids=tuple(getattr(choice, "token_ids", None) or ()),
                confidence=math.exp(sum(step.logprob for step in choice.logprobs.content)),
                prompt_tokens=made.usage.prompt_tokens,
                notes=notes,
            )
            for choice in made.choices
        )
        return replace(first, others=tuple(others))

    def _create(self, messages: list[dict[str, Any]], sampling: Sampling, **options: Any) -> Any:
        """A chat completion; vLLM's own parameters travel in the body beside OpenAI's."""
        body = sampling.arguments() | {"return_token_ids": True}
        create: Callable[..., Any] = self._openai.chat.completions.create
        return create(model=self.model, messages=messages, extra_body=body, **options)

    def _embed(self, sample: MultiModalSample) -> Any:
        import numpy as np

        messages, _ = self._messages(sample)
        body = {"model": self.model, "messages": messages, "encoding_format": "float"}
        made = self._call(lambda: self._openai.post("/embeddings", body=body, cast_to=dict))
        return np.asarray(made["data"][0]["embedding"], np.float32)

    def _messages(self, sample: MultiModalSample) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """Messages of a sample, and a note for each repair on the way."""
        if self.preprocessor is not None:
            return self.preprocessor.to_messages(sample), ()
        return to_messages(sample, self.guard)

    def _until_gone(self, results: Iterator[Any]) -> Iterator[Any]:
        for result in results:
            if isinstance(result, EngineFailed) and type(result.cause).__name__ == "APIConnectionError":
                raise EngineFailed(result.message, cause=result.cause)  # of the run, not of this sample
            yield result

    def _call(self, function: Callable[[], Any]) -> Any:
        """The library's answer.  Raises the typed error behind its own."""
        import openai

        try:
            return function()
        except openai.APIStatusError as error:
            raise as_typed(error) from error
        except openai.APITimeoutError as error:
            raise EngineFailed("the server took too long", cause=error) from error
        except openai.APIConnectionError as error:
            raise EngineFailed(
                f"no server answers at {self.url}; start one with `mmkit serve`, or start again once it is back",
                cause=error,
            ) from error


def to_messages(sample: MultiModalSample, guard: Guard) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """A sample as chat messages, and a note for each repair of its items.  Raises a MediaError that names the item.

    Pictures go as PNG and clips as float WAV: the very pixels and samples; a video goes as the file it is.
    """
    if sample.prompt is not None:
        raise InvalidArgument("a finished prompt does not travel; hand over text and items")
    parts: list[dict[str, Any]] = []
    notes: list[str] = []
    for modality, handler in HANDLERS.items():
        for index, source in enumerate(sample.items(modality)):
            try:
                item = handler.load(source, None, guard)
                parts.append(handler.part(item, source, guard))
            except MmkitError as error:
                raise error.at(index=index, modality=modality) from error.cause
            notes += [f"{modality} {index}: {note}" for note in item.notes]
    messages: list[dict[str, Any]] = []
    if sample.system is not None:
        messages.append({"role": "system", "content": sample.system})
    for question, answer in [*sample.history, (sample.text, None)]:
        clean = clean_text(question, max_characters=len(question))
        text = [{"type": "text", "text": clean.text}] if clean.text else []
        messages.append({"role": "user", "content": [*parts, *text]})
        parts = []
        if answer is not None:
            messages.append({"role": "assistant", "content": answer})
    return messages, tuple(notes)


def as_typed(error: Any) -> MmkitError:
    """The typed error behind a status: the one that `mmkit serve` names, else by what vLLM says."""
    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message") or error)[:500]
    kind = getattr(errors, str(body.get("type")), None)
    if isinstance(kind, type) and issubclass(kind, MmkitError):
        return kind(message, cause=error)
    if "maximum model length" in message or "maximum context length" in message:
        return ContextOverflow(message, cause=error)
    if error.status_code < 500 and error.status_code != 429:
        return InvalidArgument(f"the server refuses the request: {message}", cause=error)
    return EngineFailed(f"the server failed with status {error.status_code}: {message}", cause=error)
