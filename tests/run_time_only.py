"""The package with its run-time dependencies alone: no dev group, no vLLM.  `make run-time-only` runs this there.

Every verb works, or says in one line on stderr what is missing and exits with 2; never a traceback.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import mmkit

ROOT = Path(__file__).parents[1]
PICTURE = "data/circle_and_square.png"
ROWS = "data/demo.jsonl"
# (arguments, exit code, what stdout or stderr must hold)
VERBS = [
    (["--version"], 0, mmkit.__version__),
    (["--help"], 0, "Usage"),
    (["models"], 0, "tiny-qwen2-vl"),
    (["tokens", PICTURE, "data/three_one_four.wav"], 0, "image"),
    (["tokens", "no-such.png"], 1, "SourceNotFound"),
    (["check", ROWS], 0, "fit"),
    (["check", ROWS, "--model", "tiny-omni"], 0, "tokens"),
    (["new-model", "bird_ear", "{folder}/package"], 0, "pytest"),
    (["doctor"], 1, "vllm"),
    (["ask", "What color is the circle?", "--image", PICTURE], 2, "vLLM is not installed"),
    (["answer", ROWS, "{folder}/out.jsonl"], 2, "vLLM is not installed"),
    (["answer", ROWS, "{folder}/out.jsonl", "--server", "http://127.0.0.1:9"], 2, "pip install openai"),
    (["score", ROWS], 2, "has neither"),
    (["serve"], 2, "vLLM is not installed"),
    (["train", "no-such-recipe", "{folder}/model"], 2, "tiny-qwen2-vl"),
]


def main() -> int:
    """Run every verb; print a line each; the number of failures is the exit code."""
    failures = [f"{name} is installed here" for name in ("vllm", "pytest") if importlib.util.find_spec(name)]
    for name in mmkit.__all__:
        getattr(mmkit, name)
    with tempfile.TemporaryDirectory() as folder:
        for arguments, code, wanted in VERBS:
            command = [sys.executable, "-m", "mmkit.cli", *(a.format(folder=folder) for a in arguments)]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            said = run.stdout + run.stderr
            ok = run.returncode == code and wanted in said and "Traceback" not in said
            ok = ok and (code != 2 or len(run.stderr.strip().splitlines()) == 1)
            print(f"{'ok ' if ok else 'BAD'}  mmkit {' '.join(arguments)}")
            if not ok:
                failures.append(f"exit code {run.returncode}, said: {said[-600:]}")
    print("\n".join(failures) or "Every verb works, or says what is missing.")
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
