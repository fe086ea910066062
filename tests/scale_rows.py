"""Rows for the tests of runners: each good one has an answer of its own, every n-th is hostile in one of nine ways.

python -m tests.scale_rows ADDRESS FOLDER [SECONDS]     answer FOLDER/in.jsonl by stand-ins on a Ray cluster
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from PIL import Image

from tests.stand_in import StandInJob

HOSTILE = {  # a line, made of its number, and the error that it must give
    "cut json": (lambda n: f'{{"id": {n}, "te', "BadEncoding"),
    "no object": (lambda n: "[1, 2]", "BadEncoding"),
    "cut picture": (lambda n: row(n, ["cut.png"]), "TruncatedMedia"),
    "no picture": (lambda n: row(n, ["none.png"]), "SourceNotFound"),
    "outside": (lambda n: row(n, ["../outside.png"]), "SourceNotAllowed"),
    "no format": (lambda n: row(n, ["page.png"]), "UnsupportedFormat"),
    "half a character": (lambda n: json.dumps({"id": n, "text": "\ud800"}), "BadEncoding"),
    "wrong field": (lambda n: json.dumps({"id": n, "image": "0.png"}), "BadEncoding"),
    "used id": (lambda n: row(0, ["0.png"]), "BadEncoding"),
}
COLORS = 251  # pictures, a prime: neighbors differ


def row(n: int, images: list[str]) -> str:
    return json.dumps({"id": n, "text": f"What color is {n}", "images": images})


def color(n: int) -> tuple[int, int, int]:
    return n % COLORS, (n * 7) % COLORS, (n * 31) % COLORS


def write_rows(folder: Path, rows: int, hostile: int) -> list[str]:
    """in.jsonl and its pictures; returns for each row its answer, or the class of its error."""
    for n in range(min(rows, COLORS)):
        packed = io.BytesIO()
        Image.new("RGB", (32, 32), color(n)).save(packed, "PNG")
        (folder / f"{n}.png").write_bytes(packed.getvalue())
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (folder / "page.png").write_text("<html>not found</html>")
    (folder.parent / "outside.png").write_bytes((folder / "0.png").read_bytes())
    bad = [rows // hostile * k + 1 for k in range(hostile)]
    kinds = list(HOSTILE.values())
    lines, expected = [], []
    for n in range(rows):
        if n in bad:
            line, error = kinds[bad.index(n) % len(kinds)]
            lines.append(line(n))
            expected.append(error)
        else:
            lines.append(row(n, [f"{n % COLORS}.png"]))
            expected.append(" ".join(map(str, color(n % COLORS))))
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    return expected


def found(path: Path) -> list[str]:
    """What an out.jsonl says, row by row: the answer, or the class of the error."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row["answer"] if "answer" in row else row["error"]["type"] for row in rows]


def main() -> None:
    from mmkit import scale

    address, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3] if len(sys.argv) > 3 else 0)
    log = folder.parent / "log"
    job = StandInJob(str(folder), str(log) if log.is_dir() else None, seconds)
    with scale.cluster(address):
        counts = scale.answer_rows(folder / "in.jsonl", folder / "out.jsonl", job, workers=2, batch=32)
    print(json.dumps(vars(counts)))


if __name__ == "__main__":
    main()
