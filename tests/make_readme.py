"""Fill README's measured parts from the files that hold them:  python -m tests.make_readme

The map of notebooks is the course table of notebook 00; the figures are scores.json beside each model's weights and
the results beside the benchmarks. tests/test_readme.py proves that README is what this writes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat

from mmkit import shipped
from tests import accepted

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "tests" / "benchmarks" / "results"
NO_VLLM = {"01", "02", "03", "04"}
# What README shows of each benchmark: (label, file, path within it, how it is said).
TIMES = "{:.1f} times as fast"
SHOWN = [
    (
        "BPE training, 100 KB of English, 300 merges, against a naive recount",
        "text.json",
        ("ratios of medians", "English-like", "train 100 KB, 300 merges: times faster than the naive recount"),
        "{:.0f} times as fast",
    ),
    (
        "the same in Chinese",
        "text.json",
        ("ratios of medians", "Chinese-like", "train 100 KB, 300 merges: times faster than the naive recount"),
        "{:.0f} times as fast",
    ),
    (
        "a 1280 x 960 JPEG to Qwen2-VL's patches, against transformers (bit-equal)",
        "image.json",
        ("Qwen2-VL float32, 1280x960 JPEG, new memory", "transformers"),
        TIMES,
    ),
    (
        "the same to CLIP's 224 x 224",
        "image.json",
        ("CLIP 224, 1280x960 JPEG", "transformers"),
        TIMES,
    ),
    (
        "log-mel of 14 s padded to 30 s, against `WhisperFeatureExtractor`",
        "audio.json",
        ("log-mel, 14 s, padded to 30 s, 80 mels", "transformers"),
        TIMES,
    ),
    (
        "16 of 300 video frames, against PyAV read in sequence",
        "video.json",
        ("16 of 300 video frames, pan, a key frame every 250", "PyAV in sequence"),
        TIMES,
    ),
    (
        "questions a second about 1280 x 960 JPEGs: `resize_images` and the plug-in, against bare vLLM",
        "requests.json",
        ("8 requests, 1280x960 JPEG, mmkit, resize_images and the plug-in", "vLLM"),
        TIMES,
    ),
    (
        "32 questions to vLLM in one batch, a new picture each, against one at a time: answers of one token",
        "caches.json",
        ("batches", "rows", 4, "times faster together"),
        TIMES,
    ),
    (
        "the same: answers of 32 tokens",
        "caches.json",
        ("batches", "rows", 6, "times faster together"),
        TIMES,
    ),
    (
        "a 640 x 480 picture that vLLM has seen before (Qwen2-VL's budget of pixels), processor cache against none",
        "caches.json",
        ("repeats", 2, "times faster than no cache", "processor cache"),
        TIMES,
    ),
    (
        "the same with prefix caching",
        "caches.json",
        ("repeats", 2, "times faster than no cache", "processor and prefix cache"),
        TIMES,
    ),
    (
        "answers of mixed lengths: vLLM's continuous batching against `generate` on batches of 8, per wanted token",
        "caches.json",
        ("lengths", 1, "times faster continuous"),
        TIMES,
    ),
    (
        "the same where all answers are equally long",
        "caches.json",
        ("lengths", 0, "times faster continuous"),
        TIMES,
    ),
    ("vLLM: start to first answer", "engine.json", ("seconds", "start to first answer"), "{:.0f} s"),
    ("vLLM: its import", "engine.json", ("seconds", "import of vLLM"), "{:.0f} s"),
]


def table() -> list[tuple[str, str, str]]:
    """The rows of the table in 00: (number and title, afterwards you can, minutes), or (part, "", "")."""
    cells = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4).cells
    source = next(cell.source for cell in cells if cell.source.startswith("## The course"))
    rows = re.findall(r"^\| \*\*([^*]+)\*\* \|([^|]+)\|([^|]+)\|$", source, re.M)
    return [(title, able.strip(), minutes.strip()) for title, able, minutes in rows]


def course() -> list[tuple[str, str, str]]:
    """(number and title, afterwards you can, minutes) of each notebook."""
    return [row for row in table() if row[2]]


def number(name: str) -> str:
    """The number that a title or a file name begins with.

    >>> number("05 from files to one prompt"), number("04_video.ipynb")
    ('05', '04')
    """
    return re.split(r"[ _]", name)[0]


def map_rows() -> str:
    files = {number(path.name): path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    header = "| notebook | afterwards you can | minutes | needs vLLM |\n| --- | --- | --- | --- |\n"
    return header + "".join(
        f"| [{title}](notebooks/{files[number(title)]}) | {able} | {minutes} | "
        f"{'no' if number(title) in NO_VLLM else 'yes'} |\n"
        if minutes
        else f"| **{title}** | | | |\n"
        for title, able, minutes in table()
    )


def measured(file: str, keys: tuple[str, ...]) -> float:
    """A figure of a results file: times as fast, by (what, peer) of its rows; else the value at this path."""
    value = json.loads((RESULTS / file).read_text("utf-8"))
    if "rows" in value:
        what, peer = keys
        return next(row for row in value["rows"] if row["what"] == what)["peers"][peer]["times"]
    for key in keys:
        value = value[key]
    return value


def measured_rows() -> str:
    lines = ["| what | measured |", "| --- | --- |"]
    for card in shipped.cards():
        plain = {name: value for name, value in card.scores.get("summary", {}).items() if "," not in name}
        said = ", ".join(f"{name} {value:.1%}" for name, value in plain.items())
        measure = card.scores.get("measure", "exact answers")
        lines.append(f"| `{card.name}` ({card.megabytes:.1f} MB), {measure} | {said} |")
    for label, file, keys, said in SHOWN:
        lines.append(f"| {label} | {said.format(measured(file, keys))} |")
    commands = (
        "Answers are counted on pictures and voices that no training saw; `mmkit models` prints more conditions. "
        "`make scores` measures the models, `make bench` the speeds (ratios of medians of CPU time)."
    )
    return "\n".join(lines) + f"\n\n{commands}\n"


def filled(text: str) -> str:
    """README with its generated parts written anew; what lies between the marks is replaced."""
    for mark, content in (("map", map_rows()), ("measured", measured_rows()), ("accepted", accepted.table())):
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
        assert re.search(pattern, text, re.S), f"README lost its mark {mark}"
        text = re.sub(pattern, lambda found, new=content: found[1] + new + found[2], text, flags=re.S)
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text("utf-8")), "utf-8")
