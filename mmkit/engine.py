"""The engine: real vLLM, started with settings that suit a laptop, and freed afterwards.

    with Engine("tiny-qwen2-vl") as engine:
        print(engine.ask("What color is the circle?", images=["scene.png"]))

Follows vLLM 0.32's offline API. Greedy unless asked otherwise, so that the same question gives the same answer to
the bit; quiet, since notebooks are stored and compared; one result per sample, since one bad sample must not cost
the others. Leaves out serving over HTTP.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkit import shipped
from mmkit.batch import chunks, in_threads, map_ordered
from mmkit.errors import ContextOverflow, EngineFailed, EngineMissing, MmkitError, ModelNotFound, OutOfMemory
from mmkit.families import context_length
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import MultiModalSample, Prompt

# Set before vLLM is imported, and only where the reader has not chosen otherwise.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in this process: 1.3 GB instead of 3.6, and it can recover
    "VLLM_LOGGING_LEVEL": "ERROR",  # warnings come with every step on a CPU
    "VLLM_NO_USAGE_STATS": "1",  # nothing is sent anywhere
    "TORCHDYNAMO_DISABLE": "1",  # saves 20 s of compiling at the first answer, and the need for a compiler
}
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """How the engine is started.  The defaults suit two CPU cores; a GPU gets vLLM's own where None."""

    max_model_len: int = 4096  # tokens of prompt and answer together, at most the model's own
    max_num_seqs: int = 16  # samples computed at once
    max_items: tuple[tuple[str, int], ...] = (("image", 8), ("audio", 4), ("video", 2))  # a sample may hold
    seed: int = 0
    trust_remote_code: bool = False  # run Python that comes with the model: only by name, only if trusted
    enable_mm_embeds: bool = False  # accept precomputed embeddings


@dataclass(frozen=True)
class Answer:
    """What the model said.

    text: the answer.  token_ids: its tokens.  confidence: the probability the model gave to this answer, 0 to 1.
    prompt_tokens: how long the expanded prompt was.  notes: every repair made on the way in.
    """

    text: str
    token_ids: tuple[int, ...]
    confidence: float
    prompt_tokens: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


class Engine:
    """A vLLM engine for one model; use it in a `with` block, or call `close`.

    model: a shipped name, a folder or a hub name.  settings: see Settings.
    root: the folder outside which no path of a sample is read.
    vLLM itself starts with the first sample that is well, so a wrong file name is told at once.
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
        if importlib.util.find_spec("vllm") is None:
            raise EngineMissing(
                "vLLM is not installed; on Linux run `make setup` in the clone "
                "(it installs the dependency group 'cpu'), elsewhere see README, 'What needs what'"
            )
        self.preprocessor = MultiModalPreprocessor(
            model,
            root=root,
            max_items=dict(self.settings.max_items),
            max_model_len=self.settings.max_model_len,
            trust_remote_code=self.settings.trust_remote_code,
        )
        self.model = self.preprocessor.model
        check_memory(self.model)
        self._llm: Any = None
        self._closed = False

    @property
    def llm(self) -> Any:
        """vLLM's own LLM object, for whatever this class leaves out; started by the first call."""
        if self._closed:
            raise EngineFailed("the engine is closed; start a new one")
        if self._llm is None:
            with suppress_output():
                self._llm = start(self.model, self.settings, self.preprocessor.modalities)
        return self._llm

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Free what the engine took; calling it twice does no harm."""
        llm, self._llm, self._closed = self._llm, None, True
        if llm is None:
            return
        with suppress_output():
            from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

            llm.llm_engine.engine_core.shutdown()
            del llm
            gc.collect()
            cleanup_dist_env_and_memory()

    def ask(
        self,
        question: str,
        *,
        images: Sequence = (),
        audios: Sequence = (),
        videos: Sequence = (),
        system: str | None = None,
        history: Sequence[tuple[str, str]] = (),
        max_tokens: int = 64,
        temperature: float = 0.0,
    ) -> Answer:
        """One answer to one question about some items.  Raises the typed error that says what is wrong."""
        sample = MultiModalSample(question, tuple(images), tuple(audios), tuple(videos), system, tuple(history))
        result = next(self.answers([sample], max_tokens=max_tokens, temperature=temperature, workers=1))
        if isinstance(result, MmkitError):
            raise result
        return result

    def answer(self, samples: Iterable[MultiModalSample], **options: Any) -> list[Answer | MmkitError]:
        """One result per sample, in order, each an Answer or a typed error.

        A sample may itself be an error (a row that could not be read): it comes back in its place.
        """
        return list(self.answers(samples, **options))

    def answers(
        self,
        samples: Iterable[MultiModalSample],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        batch: int = 64,
        workers: int = 2,
    ) -> Iterator[Answer | MmkitError]:
        """Like `answer`, one at a time as they come: at most `batch` samples are held in memory.

        workers: threads that decode the next samples while vLLM computes.
        """
        sampling = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "logprobs": 0,
            "seed": self.settings.seed,
        }
        prepare = in_threads(self.preprocessor, "to_prompt", workers)
        done = 0
        for chunk in chunks(map_ordered(prepare, samples, workers=workers), max_results=batch):
            yield from self._answer_chunk(chunk, done, sampling)
            done += len(chunk)

    def _answer_chunk(self, results: list[Any], first: int, sampling: dict) -> list[Answer | MmkitError]:
        """Answers in place of prompts; errors stay where they are."""
        ready = [i for i, result in enumerate(results) if isinstance(result, Prompt)]
        outputs = self._generate([results[i].for_vllm() for i in ready], sampling)
        for i, output in zip(ready, outputs, strict=True):
            failed = isinstance(output, MmkitError)
            results[i] = output.at(row=first + i) if failed else to_answer(output, results[i].notes)
        return results

    def _generate(self, prompts: list[dict], sampling: dict) -> list[Any]:
        """vLLM's outputs; where a batch fails, each prompt by itself, so that one failure costs one result."""
        if not prompts:
            return []
        llm = self.llm
        from vllm import SamplingParams

        try:
            with suppress_output():
                return llm.generate(prompts, SamplingParams(**sampling), use_tqdm=False)
        except MmkitError:
            raise
        except Exception as error:
            self._recover()
            if len(prompts) == 1:
                return [as_typed(error)]
            return [self._generate([prompt], sampling)[0] for prompt in prompts]

    def _recover(self) -> None:
        """Drop what a failed step left behind.

        A request still scheduled would make the next call wait for ever; a cache that promises an encoder output
        which was never computed would fail every later prompt with the same picture.
        """
        with suppress_output():
            core = self.llm.llm_engine.engine_core.engine_core  # in this process: VLLM_ENABLE_V1_MULTIPROCESSING=0
            self.llm.llm_engine.abort_request(list(core.scheduler.requests), internal=True)
            self.llm.reset_mm_cache()
            self.llm.reset_prefix_cache()
            self.llm.llm_engine.reset_encoder_cache()


def start(model: str, settings: Settings, modalities: Sequence[str]) -> Any:
    """A vLLM `LLM` for this machine.  Raises ModelNotFound, OutOfMemory or EngineFailed."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if os.path.isdir(model):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from vllm import LLM

        return LLM(model=model, **llm_arguments(model, settings, modalities))
    except Exception as error:
        raise as_typed(error, starting=True) from error


def llm_arguments(model: str, settings: Settings, modalities: Sequence[str]) -> dict[str, Any]:
    """The arguments of vLLM's LLM: what suits a GPU if there is one, else a laptop CPU."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(model, trust_remote_code=settings.trust_remote_code)
    text = config.get_text_config()
    length = min(settings.max_model_len, context_length(text))
    arguments: dict[str, Any] = {
        "max_model_len": length,
        "max_num_seqs": settings.max_num_seqs,
        "seed": settings.seed,
        "use_tqdm_on_load": False,
        "limit_mm_per_prompt": {m: n for m, n in settings.max_items if m in modalities},
        "trust_remote_code": settings.trust_remote_code,
        "enable_mm_embeds": settings.enable_mm_embeds,
    }
    if not torch.cuda.is_available():
        # "auto" would cast a float32 checkpoint down; the shipped ones are compared with transformers bit for bit.
        arguments["dtype"] = "float32" if config.dtype in (None, torch.float32) else "bfloat16"
        arguments["enforce_eager"] = True
        arguments["kv_cache_memory_bytes"] = kv_cache_bytes(text, length, settings.max_num_seqs)
        arguments["gpu_memory_utilization"] = 0.1  # of this machine's memory, checked at the start
    return arguments


def kv_cache_bytes(text_config: Any, length: int, sequences: int) -> int:
    """Memory for the keys and values of `sequences` full-length samples, at least 64 MiB, at most 4 GiB.

    2 (keys, values) x layers x key heads x head width x 4 bytes x tokens.
    """
    layers = getattr(text_config, "num_hidden_layers", None) or text_config.decoder_layers
    heads = getattr(text_config, "num_attention_heads", None) or text_config.decoder_attention_heads
    width = getattr(text_config, "hidden_size", None) or text_config.d_model
    kv_heads = getattr(text_config, "num_key_value_heads", None) or heads
    head_dim = getattr(text_config, "head_dim", None) or width // heads
    wanted = 2 * layers * kv_heads * head_dim * 4 * length * sequences
    return max(64 * MEBIBYTE, min(wanted, 4096 * MEBIBYTE))


def check_memory(model: str) -> None:
    """Raise OutOfMemory where the weights cannot fit into what is free, before minutes are spent on loading."""
    import psutil

    if not os.path.isdir(model):
        return
    weights = sum(path.stat().st_size for path in Path(model).glob("*.safetensors"))
    needed, free = weights + 1024 * MEBIBYTE, psutil.virtual_memory().available
    if needed > free:
        raise OutOfMemory(
            f"{Path(model).name} needs about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "close other programs or take a smaller model"
        )


def as_typed(error: BaseException, *, starting: bool = False) -> MmkitError:
    """The typed error behind one of vLLM's or transformers' own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    first = lines[0][:300]
    if isinstance(error, MemoryError) or ("memory" in first.lower() and starting):
        return OutOfMemory(f"not enough memory: {first}; lower Settings.max_model_len or max_num_seqs", cause=error)
    if "longer than the maximum model length" in first or "maximum model length" in first:
        return ContextOverflow(
            f"{first}; send fewer or smaller items, or raise Settings.max_model_len", cause=error
        )
    if starting and isinstance(error, OSError):
        return ModelNotFound(f"the model cannot be read: {first}", cause=error)
    doing = "start" if starting else "answer"
    return EngineFailed(f"vLLM could not {doing}: {type(error).__name__}: {first}", cause=error)


def to_answer(output: Any, notes: tuple[str, ...]) -> Answer:
    """mmkit's Answer from vLLM's RequestOutput."""
    said = output.outputs[0]
    logprobs = [step[token].logprob for step, token in zip(said.logprobs, said.token_ids, strict=True)]
    return Answer(
        text=said.text.strip(),
        token_ids=tuple(said.token_ids),
        confidence=math.exp(sum(logprobs)),
        prompt_tokens=len(output.prompt_token_ids),
        notes=notes,
    )


@contextlib.contextmanager
def suppress_output() -> Iterator[None]:
    """Keep what vLLM, torch and their C++ parts print out of stdout and stderr; errors still raise.

    The file descriptors are turned away too: part of the noise is written by C++ and holds thread numbers. So are
    log handlers, which keep the stream that they began with: in a notebook that is not the descriptor.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    disabled = logging.root.manager.disable
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = os.dup(1), os.dup(2)
        logging.disable(logging.WARNING)
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            logging.disable(disabled)
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
