"""Serve: vLLM's OpenAI-compatible server, started with settings that are safe to begin with.

    with Server("tiny-qwen2-vl") as server:      started, waited for, and stopped
        print(server.url)                        http://127.0.0.1:PORT/v1, for any OpenAI client

Started as a module of vLLM: the `vllm` command asks for a distribution of that name, which the community's CPU
build is not. Closed until opened by name: other machines (`host`), remote and local media, a model's own code,
finished prompts; every request is bounded, and checked by gateway.py.
Leaves out several replicas: put a proxy in front, as notebook 11 shows.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmkit import shipped
from mmkit.engine import ENVIRONMENT, Settings, llm_arguments, one_worker, preprocessor_for, runner
from mmkit.errors import EngineFailed
from mmkit.gateway import READABLE, Cleaner, Rules

START_SECONDS = 600  # the most that a start may take: half a minute on two quiet cores
STOP_SECONDS = 4  # from being asked to end until being made to
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Server:
    """A server process for one model; use it in a `with` block, or call `wait` and `stop`.

    port: 0 takes a free one.  host: the address it listens at; the default is this machine alone.
    settings: as of Engine; items of a request are limited by its max_items, videos to one.
    log: a file for what it says (default: kept to be shown if it dies).
    Raises ModelNotFound, EngineMissing, and EngineFailed where it does not start.
    """

    def __init__(
        self,
        model: str | Path = shipped.DEFAULT_MODEL,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: Settings | None = None,
        log: Path | None = None,
    ):
        settings = settings or Settings()
        preprocessor = preprocessor_for(model, settings, None)
        self.host, self.port = host, port or free_port(host)
        self.model, self.name = preprocessor.model, Path(preprocessor.model).name
        self.rules = Rules(
            model=self.model,
            served_as=self.name,
            max_items=tuple((m, 1 if m == "video" else n) for m, n in settings.max_items),
            max_model_len=settings.max_model_len,
            trust_remote_code=settings.trust_remote_code,
        )
        self.paths = (*READABLE, *Cleaner(preprocessor, self.rules).paths)
        arguments = llm_arguments(self.model, settings, preprocessor.modalities)
        arguments["limit_mm_per_prompt"] = {m: n for m, n in self.rules.max_items if m in preprocessor.modalities}
        arguments |= {"runner": runner(preprocessor), "model": self.model, "served_model_name": self.name}
        arguments |= {"host": self.host, "port": self.port} | SAFE | one_worker()
        self._folder = tempfile.TemporaryDirectory(prefix="mmkit-serve-")
        self.log = log or Path(self._folder.name, "server.log")
        with self.log.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", *flags(arguments)],
                env=environment(self.model) | self.rules.to_environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # so that Ctrl-C reaches it only through `stop`
            )

    @property
    def url(self) -> str:
        """The address for OpenAI clients."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}/v1"

    def __enter__(self) -> Server:
        try:
            return self.wait()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def wait(self, seconds: float = START_SECONDS, *, progress: bool | Callable[[float], object] = False) -> Server:
        """Until it answers.  Raises EngineFailed, with the end of its log, where it dies or takes too long.

        progress: show on stderr that time passes, or a function that is told the seconds so far, about once each.
        """
        begun = time.monotonic()
        end = begun + seconds
        with _bar(progress) as step:
            while not self.is_ready():
                died = self.process.poll() is not None
                if died or time.monotonic() > end:
                    last = self.log.read_text("utf-8", "replace").strip().splitlines()[-12:]
                    what = "ended while it started" if died else f"is not ready after {seconds:.0f} s"
                    raise EngineFailed("\n".join([f"the server {what}; it said last:", *last]))
                time.sleep(0.2)
                step(time.monotonic() - begun)
        return self

    def is_ready(self) -> bool:
        """Does it answer?"""
        asked = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            asked.request("GET", "/health")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()

    def stop(self) -> int:
        """Ask it to end, and see that all its processes do; its exit code, 0 where it ended by itself."""
        if self.process.poll() is None:
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self._folder.cleanup()
        return code

    def describe(self) -> list[str]:
        """What is open and what is closed, a line each."""
        most = ", ".join([f"{self.rules.max_bytes >> 20} MiB", *(f"{n} {m}" for m, n in self.rules.max_items)])
        reach = "this machine alone" if self.host in LOOPBACK else "WHOEVER REACHES THIS ADDRESS"
        key = "a key is asked for" if os.environ.get("VLLM_API_KEY") else "no key (VLLM_API_KEY sets one)"
        return [
            f"open    {self.url} to {reach}, {key}",
            f"open    {', '.join(self.paths)}",
            f"limits  {most} a request; {self.rules.max_requests} requests at once",
            "closed  media by URL or file name, finished prompts, processor arguments, uuids of others",
            "closed  the model's own code" + (" is OPEN" if self.rules.trust_remote_code else ""),
        ]


# Beside the engine's own settings: nothing is fetched, nothing is documented to strangers. A request's arguments
# for the processor are trusted, since the gateway alone may set them: the clock of a video.
SAFE: dict[str, Any] = {
    "middleware": "mmkit.gateway.Gateway",
    "allowed_media_domains": ["nowhere.invalid"],
    "trust_request_mm_kwargs": True,
    "disable_fastapi_docs": True,
    "disable_uvicorn_access_log": True,
    "uvicorn_log_level": "warning",
    "mm_processor_cache_gb": 0.5,
}


def flags(arguments: dict[str, Any]) -> Iterator[str]:
    """Keyword arguments of vLLM as its command line takes them.

    >>> list(flags({"max_model_len": 64, "enforce_eager": True, "use_tqdm_on_load": False, "allowed": ["a", "b"]}))
    ['--max-model-len', '64', '--enforce-eager', '--no-use-tqdm-on-load', '--allowed', 'a', 'b']
    """
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{'' if value else 'no-'}{flag}"
        elif isinstance(value, list):
            yield from (f"--{flag}", *value)
        else:
            yield from (f"--{flag}", json.dumps(value) if isinstance(value, dict) else str(value))


def environment(model: str) -> dict[str, str]:
    """This process's environment variables, with what the server's should have where nothing is set."""
    wanted = {name: value for name, value in ENVIRONMENT.items() if name != "VLLM_ENABLE_V1_MULTIPROCESSING"}
    if os.path.isdir(model):
        wanted["HF_HUB_OFFLINE"] = "1"
    kept = {name: value for name, value in os.environ.items() if name != "VLLM_ENABLE_V1_MULTIPROCESSING"}
    return wanted | kept


def free_port(host: str) -> int:
    """A port at which nothing listens now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as free:
        free.bind((host, 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def _bar(progress: bool | Callable[[float], object]) -> Iterator[Callable[[float], object]]:
    """A function of the seconds so far that shows them, once a second."""
    if callable(progress):
        told = -1

        def tell(seconds: float) -> None:
            nonlocal told
            if int(seconds) > told:
                told = int(seconds)
                progress(seconds)

        yield tell
        return
    if not progress:
        yield lambda seconds: None
        return
    from tqdm import tqdm

    with tqdm(desc="starting vLLM", bar_format="{desc}: {elapsed}", file=sys.stderr, leave=False) as bar:
        yield lambda seconds: bar.refresh()


def serve(model: str, host: str, port: int) -> int:
    """Run a server until it ends or this process is asked to (SIGTERM, Ctrl-C); its exit code."""
    with contextlib.ExitStack() as stack:
        server = Server(model, host=host, port=port)
        stack.callback(server.stop)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("\n".join(server.describe()), file=sys.stderr, flush=True)
        server.wait(progress=True)
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            return server.process.wait()
    return 0
