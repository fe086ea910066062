"""The engine: real vLLM, started with settings that suit a laptop, and freed afterwards.

    with Engine("tiny-qwen2-vl") as engine:
        print(engine.ask("What color is the circle?", images=["scene.png"]))

Follows vLLM 0.32's offline API. Greedy unless asked otherwise, so that the same question gives the same answer to
the bit; one result per sample, since one bad sample must not cost the others; threads may share it. Leaves out
answering while the answer is made (async_engine.py) and serving over HTTP (serve.py).
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import json
import logging
import math
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, NoReturn

from mmkit import shipped
from mmkit.answers import Answer, Sampling, sampling_of
from mmkit.batch import chunks, map_ordered
from mmkit.errors import (
    ContextOverflow,
    EngineFailed,
    EngineMissing,
    InvalidArgument,
    MmkitError,
    ModelNotFound,
    OutOfMemory,
)
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
    enable_lora: bool = False  # accept adapters
    max_lora_rank: int = 16  # of an adapter
    workers: int = 2  # threads that make samples ready at once, with a processor each
    resize_images: bool = False  # in those threads, not in vLLM's own: the same answers, for many large pictures


class Engine:
    """A vLLM engine for one model; use it in a `with` block, or call `close`.

    model: a shipped name, a folder or a hub name.  settings: see Settings.
    root: the folder outside which no path of a sample is read.
    quiet: while vLLM works, turn away what this process prints, from any thread: stdout, stderr, warnings, and
    logging below errors. For a command or a notebook; off, a host program's output and logging are left alone.

    Threads may share an engine: samples are made ready side by side, at most `settings.workers` at once, and vLLM
    works on one call at a time; the others wait. To have requests computed together while they come in, as a web
    handler wants it, use AsyncEngine or a server.
    vLLM itself starts with the first valid sample; a bad path fails before that.
    Raises EngineMissing, ModelNotFound, OutOfMemory or EngineFailed, each with the remedy.
    """

    def __init__(
        self,
        model: str | Path = shipped.DEFAULT_MODEL,
        *,
        settings: Settings | None = None,
        root: str | Path | None = None,
        quiet: bool = False,
    ):
        self.settings = settings or Settings()
        self.quiet = quiet
        with uncollected():  # imports transformers and torch
            self.preprocessor = preprocessor_for(model, self.settings, root)
        self.model = self.preprocessor.model
        check_memory(self.model)
        self._llm: Any = None
        self._closed = False
        self._lock = threading.RLock()  # around vLLM, which takes one call at a time
        self._idle = idle_preprocessors(self.preprocessor, self.settings.workers)
        self._adapters: dict[str, int] = {}  # folder -> the number that vLLM knows it by

    @property
    def llm(self) -> Any:
        """vLLM's own LLM object, for whatever this class leaves out; started by the first call."""
        with self._lock:
            if self._closed:
                raise EngineFailed("the engine is closed; start a new one")
            if self._llm is None:
                with self._silence():
                    self._llm = start(self.model, self.settings, self.preprocessor)
            return self._llm

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Free what the engine took; calling it twice does no harm."""
        with self._lock:
            llm, self._llm, self._closed = self._llm, None, True
            if llm is None:
                return
            with self._silence():
                llm.llm_engine.engine_core.shutdown()
                del llm
                gc.collect()

    def ask(
        self,
        question: str,
        *,
        images: Sequence = (),
        audios: Sequence = (),
        videos: Sequence = (),
        system: str | None = None,
        history: Sequence[tuple[str, str]] = (),
        lora: str | Path | None = None,
        **sampling: Any,
    ) -> Answer:
        """One answer to one question about some items.  Raises the typed error that says what is wrong.

        sampling: fields of mmkit.answers.Sampling, such as max_tokens=64, temperature=0.7, choice=("yes", "no").
        lora: an adapter's folder, for this question alone (Settings.enable_lora).
        """
        sample = MultiModalSample(question, tuple(images), tuple(audios), tuple(videos), system, tuple(history))
        return raised(next(self.answers([sample], lora=lora, **sampling)))

    def transcribe(self, clip: Any, *, seconds: float | None = None, **sampling: Any) -> Answer:
        """What is said in one recording, by a model that writes down what it hears (Whisper).

        clip: a path, bytes, a data: URL or mmkit.Clip, of any length.  seconds: the longest piece; by default what
        the model hears at once. A longer recording is cut where nobody speaks (audio.speech_pieces), asked in one
        batch and joined by spaces; the confidence is then the product.  Raises the typed error of the first piece
        that fails.
        """
        from mmkit.audio import Clip, load_audio, speech_pieces

        family = self.preprocessor.family
        if family.style != "encoder_decoder":
            raise InvalidArgument(f"{Path(self.model).name} answers questions; ask it what is said")
        sound = load_audio(clip, **self.preprocessor.guard.options)
        longest = seconds or family.recipes["audio"].seconds or sound.seconds
        if sound.seconds <= longest:
            return self.ask("", audios=[sound], **sampling)
        spans = speech_pieces(sound.wave, sound.sample_rate, longest)
        pieces = [Clip(sound.wave[start:stop], sound.sample_rate) for start, stop in spans]
        samples = [MultiModalSample(audios=(piece,)) for piece in pieces]
        answers = [raised(result) for result in self.answers(samples, **sampling)]
        return Answer(
            text=" ".join(answer.text for answer in answers if answer.text),
            token_ids=tuple(token for answer in answers for token in answer.token_ids),
            confidence=math.prod(answer.confidence for answer in answers),
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            notes=(*sound.notes, f"{sound.seconds:.1f} s cut into {len(pieces)} pieces where nobody speaks"),
        )

    def embed(self, texts: Iterable[str] = (), *, images: Iterable = ()) -> list[Any]:
        """One vector for each text, then one for each picture, by a model made for it (CLIP).

        Returns (width,) float32 arrays of length 1, so that a dot product is the cosine; a typed error in place of
        each that has none.  Raises InvalidArgument where the model writes answers instead.
        """
        if not embeds(self.preprocessor):
            raise InvalidArgument(f"{Path(self.model).name} writes answers; take a model that embeds, such as CLIP")
        samples = [*(MultiModalSample(text) for text in texts), *(MultiModalSample(images=(i,)) for i in images)]
        return list(self._results(samples, "embed", to_vector))

    def answer(self, samples: Iterable[MultiModalSample | MmkitError], **options: Any) -> list[Answer | MmkitError]:
        """One result per sample, in order, each an Answer or a typed error.

        A sample may itself be an error (a row that could not be read): it comes back in its place.
        """
        return list(self.answers(samples, **options))

    def answers(
        self,
        samples: Iterable[MultiModalSample | MmkitError],
        *,
        batch: int = 64,
        lora: str | Path | None = None,
        **sampling: Any,
    ) -> Iterator[Answer | MmkitError]:
        """Like `answer`, one at a time as they come: at most `batch` samples are held in memory.

        lora, sampling: see `ask`.  Raises InvalidArgument for them, before anything is read.
        """
        wanted = sampling_of(sampling)
        if embeds(self.preprocessor):
            raise InvalidArgument(f"{Path(self.model).name} writes no answers; use embed")
        arguments = {"sampling_params": wanted, "lora_request": self._adapter(lora)}
        return self._results(samples, "generate", to_answer, batch, arguments)

    # ------------------------------------------------------------------------------------------ what calls vLLM

    def _results(
        self, samples: Iterable, method: str, convert: Any, batch: int = 64, arguments: dict | None = None
    ) -> Iterator[Any]:
        """A result for each sample: ready in threads, chunk by chunk through vLLM; errors stay where they are."""
        ready = map_ordered(self._to_prompt, samples, workers=self.settings.workers)
        done = 0
        for chunk in chunks(ready, max_results=batch):
            good = [i for i, result in enumerate(chunk) if isinstance(result, Prompt)]
            outputs = self._call(method, [chunk[i].for_vllm() for i in good], arguments or {})
            for i, output in zip(good, outputs, strict=True):
                failed = isinstance(output, MmkitError)
                chunk[i] = output.at(row=done + i) if failed else convert(output, chunk[i].notes)
            yield from chunk
            done += len(chunk)

    def _to_prompt(self, sample: MultiModalSample) -> Prompt:
        mine = self._idle.get()  # waits for one that no other thread is using
        try:
            return mine.to_prompt(sample)
        finally:
            self._idle.put(mine)

    def _call(self, method: str, prompts: list[dict], arguments: dict[str, Any]) -> list[Any]:
        """vLLM's outputs; where a batch fails, each prompt by itself, so that one failure costs one result."""
        if not prompts:
            return []
        with self._lock:
            run = getattr(self.llm, method)
            given = {name: for_vllm(v) if isinstance(v, Sampling) else v for name, v in arguments.items()}
            try:
                with self._silence():
                    return run(prompts, use_tqdm=False, **given)
            except Exception as error:
                self._recover()
                if len(prompts) == 1:
                    return [as_typed(error)]
            return [self._call(method, [prompt], arguments)[0] for prompt in prompts]

    def _recover(self) -> None:
        """Drop what a failed step left behind.

        A request still scheduled, or finished but never handed over, would make the next call wait for ever; a
        cache that promises an encoder output which was never computed would fail every later prompt with the same
        picture.
        """
        with self._silence():
            core = self.llm.llm_engine.engine_core.engine_core  # in this process: VLLM_ENABLE_V1_MULTIPROCESSING=0
            left = {*core.scheduler.requests, *self.llm.llm_engine.output_processor.request_states}
            self.llm.llm_engine.abort_request(list(left), internal=True)
            self.llm.reset_mm_cache()
            self.llm.reset_prefix_cache()
            self.llm.llm_engine.reset_encoder_cache()

    def _adapter(self, folder: str | Path | None) -> Any:
        """vLLM's LoRARequest for an adapter's folder."""
        if folder is None:
            return None
        check_adapter(Path(folder), self.settings)
        from vllm.lora.request import LoRARequest

        with self._lock:
            number = self._adapters.setdefault(str(Path(folder).resolve()), len(self._adapters) + 1)
        return LoRARequest(f"adapter-{number}", number, str(folder))

    def _silence(self) -> contextlib.AbstractContextManager[None]:
        return suppress_output() if self.quiet else contextlib.nullcontext()


def preprocessor_for(model: str | Path, settings: Settings, root: str | Path | None) -> MultiModalPreprocessor:
    """The preprocessor of an engine.  Raises EngineMissing where there is no vLLM, and ModelNotFound."""
    if importlib.util.find_spec("vllm") is None:
        raise EngineMissing(
            "vLLM is not installed; on Linux run `make setup` in the clone "
            "(it installs the dependency group 'cpu'), elsewhere see README, 'What needs what'"
        )
    return MultiModalPreprocessor(
        model,
        root=root,
        max_items=dict(settings.max_items),
        max_model_len=settings.max_model_len,
        resize_images=settings.resize_images,
        trust_remote_code=settings.trust_remote_code,
    )


def idle_preprocessors(preprocessor: MultiModalPreprocessor, workers: int) -> SimpleQueue[MultiModalPreprocessor]:
    """So many preprocessors with processors of their own: tokenizers must not be shared while they work."""
    idle: SimpleQueue[MultiModalPreprocessor] = SimpleQueue()
    for one in (preprocessor, *preprocessor.copies(workers - 1)):
        idle.put(one)
    return idle


def embeds(preprocessor: MultiModalPreprocessor) -> bool:
    """Does this model make a vector of its input, rather than an answer?"""
    return preprocessor.family.style == "dual_encoder"


def raised(result: Any) -> Any:
    """The result itself; or, where it is an error, that error raised."""
    if isinstance(result, MmkitError):
        raise result
    return result


def check_adapter(folder: Path, settings: Settings) -> None:
    """Raise InvalidArgument or ModelNotFound where vLLM could not use this adapter."""
    if not settings.enable_lora:
        raise InvalidArgument("this engine takes no adapters; start it with Settings(enable_lora=True)")
    config = folder / "adapter_config.json"
    if not config.is_file() or not (folder / "adapter_model.safetensors").is_file():
        raise ModelNotFound(
            f"the folder {folder.name!a} holds no adapter: adapter_config.json and adapter_model.safetensors"
        )
    rank = json.loads(config.read_text("utf-8")).get("r", 0)
    if rank > settings.max_lora_rank:
        raise InvalidArgument(f"an adapter of rank {rank}; raise Settings.max_lora_rank ({settings.max_lora_rank})")


def start(model: str, settings: Settings, preprocessor: MultiModalPreprocessor) -> Any:
    """A vLLM `LLM` for this machine.  Raises ModelNotFound, OutOfMemory or EngineFailed."""
    set_environment(model)
    try:
        with uncollected():
            from vllm import LLM

            # What has been imported stays. vLLM collects garbage five times while it starts, and passes over what
            # is frozen; it freezes everything itself once it runs, and undoes that when it is closed.
            gc.freeze()
            arguments = llm_arguments(model, settings, preprocessor.modalities)
            with llvmlite_out_of_sight(), stdout_left_open():
                return LLM(model=model, runner=runner(preprocessor), **arguments)
    except Exception as error:
        raise as_typed(error, starting=True) from error


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Leave Python's garbage collector out while thousands of modules are imported, of which none is garbage.

    It would walk through all of them again and again: a sixth of the CPU from `import torch` to the first answer.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def llvmlite_out_of_sight() -> Iterator[None]:
    """Let vLLM start in a process that has imported numba (librosa and mmkit.kernels do).

    On a CPU vLLM 0.32 reads the __dict__ of every object in sys.modules; llvmlite's library answers that with a
    function of that name, and the start ends with "'_lib_fn_wrapper' object has no attribute 'get'". Its module
    leaves the list for as long as the start takes; whoever holds it goes on using it.
    """
    name = "llvmlite.binding.ffi"
    held = sys.modules.pop(name, None)
    try:
        yield
    finally:
        if held is not None:
            sys.modules[name] = held


@contextlib.contextmanager
def stdout_left_open() -> Iterator[None]:
    """Keep vLLM from turning the process's stdout away while it starts, and with it what other threads print.

    vLLM 0.32 points file descriptor 1 at /dev/null for the moment in which gloo prints a line about its ranks.
    Here that line is printed.
    """
    from vllm.distributed import parallel_state, utils

    modules: tuple[Any, ...] = parallel_state, utils
    kept = [module.suppress_stdout for module in modules]
    for module in modules:
        module.suppress_stdout = contextlib.nullcontext
    try:
        yield
    finally:
        for module, function in zip(modules, kept, strict=True):
            module.suppress_stdout = function


def set_environment(model: str) -> None:
    """Set what vLLM reads when it is imported, where the reader has not chosen otherwise."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if os.path.isdir(model):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def runner(preprocessor: MultiModalPreprocessor) -> Literal["pooling", "generate"]:
    """vLLM's name for what the model does."""
    return "pooling" if embeds(preprocessor) else "generate"


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
        # Here, since vLLM ignores a request's own disable_any_whitespace; and not for the back end "auto".
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
    }
    if settings.enable_lora:
        arguments |= {"enable_lora": True, "max_lora_rank": settings.max_lora_rank}
    if not torch.cuda.is_available():
        # "auto" would cast a float32 checkpoint down; the shipped ones are compared with transformers bit for bit.
        arguments["dtype"] = "float32" if config.dtype in (None, torch.float32) else "bfloat16"
        arguments["enforce_eager"] = True
        arguments["kv_cache_memory_bytes"] = kv_cache_bytes(text, length, settings.max_num_seqs)
        arguments["gpu_memory_utilization"] = 0.1  # of this machine's memory, checked at the start
    return arguments


def one_worker() -> dict[str, Any]:
    """What to add to llm_arguments where the engine runs in a process of its own, as a server's does.

    vLLM turns "uni" on a CPU into "mp", a third process: 18 s of start and 1 GB more. Named in full it stays.
    """
    import torch

    if torch.cuda.is_available():
        return {}
    return {"distributed_executor_backend": "vllm.v1.executor.uniproc_executor.UniProcExecutor"}


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


def leave(code: int) -> NoReturn:
    """End this process, and the engines in it, at once: for a command that has said what it had to say.

    Python's own end, and vLLM's, would take thousands of modules and a million objects apart, two seconds of CPU
    for memory that the system takes back anyway. Where vLLM has processes of its own to stop, they get their time.
    """
    import psutil

    if psutil.Process().children():
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


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
    if any(kind.__name__ == "VLLMClientError" for kind in type(error).__mro__):
        return InvalidArgument(f"vLLM refuses the request: {first}", cause=error)
    if starting and isinstance(error, OSError):
        return ModelNotFound(f"the model cannot be read: {first}", cause=error)
    doing = "start" if starting else "answer"
    return EngineFailed(f"vLLM could not {doing}: {type(error).__name__}: {first}", cause=error)


def for_vllm(sampling: Sampling) -> Any:
    """vLLM's SamplingParams, with each token's log-probability.  Raises InvalidArgument where it refuses one."""
    from vllm import SamplingParams
    from vllm.exceptions import VLLMClientError
    from vllm.sampling_params import StructuredOutputsParams

    arguments = sampling.arguments()
    structure = arguments.pop("structured_outputs", None)
    try:
        if structure:
            arguments["structured_outputs"] = StructuredOutputsParams(**structure)
        return SamplingParams(**arguments, logprobs=0)
    except (VLLMClientError, ValueError, TypeError) as error:
        raise as_typed(error) from error


def to_answer(output: Any, notes: tuple[str, ...]) -> Answer:
    """mmkit's Answer from vLLM's RequestOutput."""
    first, *others = (
        Answer(
            text=said.text.strip(),
            token_ids=tuple(said.token_ids),
            confidence=math.exp(said.cumulative_logprob),
            prompt_tokens=len(output.prompt_token_ids),
            notes=notes,
        )
        for said in output.outputs
    )
    return replace(first, others=tuple(others))


def to_vector(output: Any, notes: tuple[str, ...]) -> Any:
    """A numpy array (width,) of length 1 from vLLM's EmbeddingRequestOutput."""
    import numpy as np

    return np.asarray(output.outputs.embedding, np.float32)


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
