"""Measure shipped models on pictures and sounds they never saw: `python -m mmkit.zoo.scores [NAME ...]`.

    name -> the module that knows its world -> measure(folder) -> scores.json beside the weights

scores.json holds the command, the shares of exact answers by kind of question, and a `summary` that
`mmkit models` shows. A hash of the weights stands in it, so that scores of other weights are found out.
Leaves out the worlds themselves: each model's module draws its own.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
from pathlib import Path

from mmkit import shipped

# module with measure(folder: Path) -> dict with a "summary" of {what: share of exact answers}
WORLDS = {
    "tiny-qwen2-vl": "mmkit.zoo.vision.evaluate",
    "tiny-reader": "mmkit.zoo.reader.evaluate",
    "tiny-qwen2-audio": "mmkit.zoo.audio.evaluate",
    "tiny-whisper": "mmkit.zoo.audio.evaluate",
    "tiny-clip": "mmkit.zoo.clip.evaluate",
    "tiny-omni": "mmkit.zoo.omni.evaluate",
}


def weights_hash(folder: Path) -> str:
    """SHA-256 of a model's weights, in hexadecimal."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def write_scores(name: str, folder: Path) -> dict:
    """Measure one model and store scores.json in its folder; returns what was stored."""
    measured = importlib.import_module(WORLDS[name]).measure(folder)
    scores = {"command": f"python -m mmkit.zoo.scores {name}", "weights": weights_hash(folder), **measured}
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", "utf-8")
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mmkit.zoo.scores", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORLDS)}; all by default")
    parser.add_argument("--folder", type=Path, help="a folder other than the shipped one")
    options = parser.parse_args()
    for name in options.names or WORLDS:
        if name not in WORLDS:
            parser.error(f"no model {name!r}; known: {', '.join(WORLDS)}")
        folder = options.folder or Path(shipped.resolve(name))
        scores = write_scores(name, folder)
        print(f"{name}: {folder.name}/scores.json")
        for what, share in scores["summary"].items():
            print(f"  {what:<36} {share:.1%}")


if __name__ == "__main__":
    main()
