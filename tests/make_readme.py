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

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "tests" / "benchmarks" / "results"
NO_VLLM = {"01", "02", "03", "04", "05"}


def course() -> list[tuple[str, str, str]]:
    """(number and title, afterwards you can, minutes) of each notebook, from the table in 00."""
    cells = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4).cells
    table = next(cell.source for cell in cells if cell.source.startswith("## The course"))
    return re.findall(r"^\| \*\*(\d\d [^*]+)\*\* \| ([^|]+) \| (\d+) \|$", table, re.M)


def map_rows() -> str:
    files = {path.stem[:2]: path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    header = "| notebook | afterwards you can | minutes | needs vLLM |\n| --- | --- | --- | --- |\n"
    return header + "".join(
        f"| [{title}](notebooks/{files[title[:2]]}) | {able} | {minutes} | "
        f"{'no' if title[:2] in NO_VLLM else 'yes'} |\n"
        for title, able, minutes in course()
    )


def measured_rows() -> str:
    lines = ["| what | measured |", "| --- | --- |"]
    for card in shipped.cards():
        for name, value in card.scores.get("summary", {}).items():
            lines.append(f"| `{card.name}` ({card.megabytes:.1f} MB): {name} | {value:.1%} |")
    for path in sorted(RESULTS.glob("*.json")):
        for name, value in json.loads(path.read_text("utf-8")).get("summary", {}).items():
            lines.append(f"| {name} | {value} |")
    commands = "`make scores` measures the models, `make bench` the speeds (ratios of medians, one thread)."
    return "\n".join(lines) + f"\n\n{commands}\n"


def filled(text: str) -> str:
    """README with its generated parts written anew; what lies between the marks is replaced."""
    for mark, content in (("map", map_rows()), ("measured", measured_rows())):
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
        assert re.search(pattern, text, re.S), f"README lost its mark {mark}"
        text = re.sub(pattern, lambda found, new=content: found[1] + new + found[2], text, flags=re.S)
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text("utf-8")), "utf-8")
