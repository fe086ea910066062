"""One table of all measured rows, and a picture of it with the floors:  python tests/benchmarks/report.py

Reads results/image.json, audio.json, video.json and requests.json; writes results/table.json and results/table.png:
a bar for mmkit, a mark for each peer, a line for each floor, all in multiples of mmkit's time. A part that was
not measured against peers yet is named and left out.
"""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
from timing import RESULTS

from mmkit.plots import BLACK, BLUE, ORANGE, describe, use_style

PARTS = ("image", "audio", "video", "requests")


def rows() -> list[dict]:
    found: list[dict] = []
    for part in PARTS:
        file = RESULTS / f"{part}.json"
        measured = json.loads(file.read_text("utf-8")).get("rows", []) if file.exists() else []
        if not measured:
            print(f"no rows of {part} yet: python tests/benchmarks/bench_{part}.py")
        found += measured
    return found


def draw(table: list[dict]) -> plt.Figure:
    """Each row: mmkit's time is 1; what a peer takes lies to its right, what cannot be left out to its left."""
    use_style()
    figure, axes = plt.subplots(figsize=(9.0, 1.2 + 0.24 * len(table)))
    for y, row in enumerate(table):
        axes.barh(y, 1, color=BLUE, height=0.6, label="mmkit" if y == 0 else None)
        for peer in row["peers"].values():
            axes.plot(peer["ms"] / row["ms"], y, "o", color=ORANGE, markersize=5)
        for floor in row["floors"].values():
            axes.plot([floor / row["ms"]] * 2, [y - 0.35, y + 0.35], color=BLACK, linewidth=1.5)
    axes.plot([], [], "o", color=ORANGE, label="a peer")
    axes.plot([], [], color=BLACK, label="a floor: decode, memory or transform alone")
    axes.set_yticks(range(len(table)), [row["what"] for row in table], fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel="CPU time in multiples of mmkit's")
    axes.set_xscale("log")
    figure.legend(loc="outside lower center", ncols=3)
    figure.suptitle("What a peer takes, and what nobody can leave out")
    return figure


def main() -> None:
    table = rows()
    (RESULTS / "table.json").write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    figure = draw(table)
    figure.savefig(RESULTS / "table.png", dpi=90, metadata={"Description": describe(figure)})
    print(f"{len(table)} rows in {RESULTS.name}/table.json")


if __name__ == "__main__":
    main()
