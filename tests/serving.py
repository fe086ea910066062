"""Real servers for tests: a package installed into a folder, and vLLM's OpenAI-compatible server beside it.

    install(project, target)     a package built and copied as pip does it: no link to its source, no network
    Server(model, packages=target, folder=elsewhere)   starts at once; wait() until it answers; stopped by `with`
    Server.said(question)        a question of models/omni/parity.py -> its tokens and log-probabilities

Started by `python -m vllm.entrypoints.openai.api_server`: `vllm serve` asks for a distribution named vllm, which
the community's CPU build is not.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile

from mmkit.models.omni.parity import SAMPLE_RATE, Question, Said

START_SECONDS = 300  # the most that a start may take: 30 s on two quiet cores, minutes on busy ones
ITEMS = {"image": 3, "audio": 3}  # the most of a question
HEAD, TAIL = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
# Where the processes put what Python compiles: it shows which files they imported, and spares the next the work.
BYTECODE = tempfile.TemporaryDirectory(prefix="bytecode-")


def install(project: Path, target: Path) -> None:
    """Build the package of a project and copy it into `target`, which PYTHONPATH may then name."""
    source = target.with_name(f"{target.name}-source")  # building writes beside the sources
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "data", "notebooks", "tests")
    shutil.copytree(project, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index"]
    flags = ["--no-deps", "--no-build-isolation", "--no-compile", "--target", str(target)]
    done = subprocess.run([*pip, *flags, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def environment(packages: Path) -> dict[str, str]:
    """Environment variables of a process that finds `packages` first, and in which vLLM is quiet.

    One thread: beside other processes on few cores, more of them would wait for each other most of the time.
    """
    threads = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    quiet = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(packages),
        "PYTHONPYCACHEPREFIX": BYTECODE.name,
    }
    # The first is for an engine inside this process, where a server has several.
    unwanted = {"VLLM_ENABLE_V1_MULTIPROCESSING", "PYTHONDONTWRITEBYTECODE"}
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    return threads | inherited | quiet


class Server:
    """A server process for one model; the packages it finds first, and the folder it is started in, are stated."""

    def __init__(self, model: Path, *, packages: Path, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        settings = {
            "--model": str(model), "--served-model-name": "served", "--host": "127.0.0.1", "--port": str(self.port),
            "--dtype": "float32", "--max-model-len": "1024", "--max-num-seqs": "8",
            "--kv-cache-memory-bytes": str(64 << 20), "--gpu-memory-utilization": "0.1",
            "--limit-mm-per-prompt": json.dumps(ITEMS),
        }  # fmt: skip
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *(word for setting in settings.items() for word in setting)],
                cwd=folder, env=environment(packages), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end, and see that all its processes do."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Until it is ready.  Raises RuntimeError with the end of its log where it dies or takes too long."""
        end = time.monotonic() + seconds
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                died = self.process.poll() is not None
                said = "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-30:])
                raise RuntimeError(f"the server {'ended' if died else f'is not ready after {seconds} s'}:\n{said}")
            time.sleep(0.5)

    def is_ready(self) -> bool:
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            asked.request("GET", "/health")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()

    def chat(self, content: str | list[dict], **options: Any) -> Any:
        """One answer through the openai client, greedy; content: of the user's message."""
        import openai

        with openai.OpenAI(
            base_url=f"http://127.0.0.1:{self.port}/v1",
            api_key="none",
            max_retries=0,
            http_client=openai.DefaultHttpxClient(trust_env=False),  # past any proxy
        ) as client:
            messages = [{"role": "user", "content": content}]
            return client.chat.completions.create(model="served", messages=messages, temperature=0, **options)

    def said(self, question: Question, max_tokens: int = 12) -> Said:
        """Greedy tokens and their log-probabilities."""
        tokens = {"return_token_ids": True}
        answer = self.chat(content_of(question), max_tokens=max_tokens, logprobs=True, extra_body=tokens)
        choice = answer.choices[0]
        return Said(tuple(choice.token_ids), tuple(step.logprob for step in choice.logprobs.content))


def was_imported(file: Path) -> bool:
    """Whether a process started with `environment` has imported this very file."""
    compiled = f"{file.stem}.{sys.implementation.cache_tag}.pyc"
    return Path(BYTECODE.name, *file.parent.parts[1:], compiled).is_file()


def content_of(question: Question) -> list[dict]:
    """A finished prompt and its items as the content of a chat message, nothing lost: PNG, and WAV of floats."""
    images, waves = iter(question.images), iter(question.waves)
    content = []
    assert question.prompt.startswith(HEAD)
    assert question.prompt.endswith(TAIL)
    for piece in re.split(r"(<\|image\|>|<\|audio\|>)", question.prompt[len(HEAD) : -len(TAIL)]):
        if piece == "<|image|>":
            url = f"data:image/png;base64,{png(next(images))}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        elif piece == "<|audio|>":
            content.append({"type": "input_audio", "input_audio": {"data": wav(next(waves)), "format": "wav"}})
        elif piece:
            content.append({"type": "text", "text": piece})
    return content


def png(image: Any) -> str:
    """A picture (PIL) in base64."""
    stored = io.BytesIO()
    image.save(stored, "png")
    return base64.b64encode(stored.getvalue()).decode()


def wav(wave: Any) -> str:
    """A wave (T,), float32 at 16 kHz, in base64."""
    stored = io.BytesIO()
    soundfile.write(stored, wave, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return base64.b64encode(stored.getvalue()).decode()
