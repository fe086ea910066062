"""A thousand rows through real vLLM. Oracle: the same good rows, answered in a clean run.

Among 1,000 rows 37 are hostile; the run is killed by SIGKILL in the middle and started again. In the end there are
963 answers, equal to the clean run's, and 37 typed errors, in order, and no row was answered twice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from mmkit import errors as tree
from mmkit.engine import Engine
from mmkit.preprocessor import MultiModalPreprocessor, MultiModalSample
from mmkit.rows import Counts, answer_rows
from tests.media_factory import CASES, picture, sound

pytestmark = pytest.mark.vllm
ROWS, HOSTILE = 1000, 37
QUESTIONS = ("What color is the circle?", "How many shapes are there?", "What shape is red?")
LETTERS = 4  # tokens of an answer


def hostile_lines(folder: Path) -> list[tuple[str, tuple[str, ...]]]:
    """37 lines of JSONL and the errors that are right for each: broken files, addresses, and broken rows."""
    lines: list[tuple[str, tuple[str, ...]]] = [
        ('{"id": "cut', ("BadEncoding",)),
        ('{"id": "half", "text": "\\ud800"}', ("BadEncoding",)),
        ('{"id": "number", "text": 5}', ("BadEncoding",)),
        ('{"id": "missing", "text": "?", "images": ["missing.png"]}', ("SourceNotFound",)),
        ('{"id": "outside", "text": "?", "images": ["../../etc/passwd"]}', ("SourceNotAllowed",)),
        (json.dumps({"id": "many", "text": "?", "images": ["0.png"] * 99}), ("LimitExceeded",)),
        (json.dumps({"id": "long", "text": "word " * 4000}), ("ContextOverflow",)),
        ('{"id": "sound", "text": "?", "audios": ["0.png"]}', ("LimitExceeded",)),
    ]
    for number, case in enumerate(c for c in CASES if c.reads == "image" and c.expected and c.options is None):
        source = case.make(folder)
        if isinstance(source, bytes):
            (folder / f"hostile-{number}.jpg").write_bytes(source)
            source = f"hostile-{number}.jpg"
        elif not (isinstance(source, str) and source.startswith(("http", "data:"))):
            continue
        row = {"id": case.id, "text": "What is it?", "images": [source]}
        lines.append((json.dumps(row), tuple(kind.__name__ for kind in case.expected)))
    return random.Random(0).sample(lines[8:], HOSTILE - 8) + lines[:8]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """(folder with in.jsonl and clean.jsonl, the errors expected by line number)."""
    folder = tmp_path_factory.mktemp("rows")
    for number, (colour, x) in enumerate((c, x) for c in ("red", "green", "blue") for x in range(20, 60, 8)):
        drawn = Image.new("RGB", (112, 112), "white")
        ImageDraw.Draw(drawn).ellipse((x, 30, x + 40, 70), fill=colour)
        drawn.save(folder / f"{number}.png")
    good = [
        json.dumps({"id": n, "text": QUESTIONS[n % 3], "images": [f"{n % 15}.png"]}) for n in range(ROWS - HOSTILE)
    ]
    (folder / "clean.jsonl").write_text("\n".join(good) + "\n")
    places = sorted(random.Random(1).sample(range(ROWS), HOSTILE))
    expected, lines = {}, list(good)
    for place, (line, kinds) in zip(places, hostile_lines(folder), strict=True):
        lines.insert(place, line)
        expected[place] = kinds
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    return folder, expected


@pytest.fixture(scope="module")
def engine(rows):
    with Engine(root=rows[0]) as engine:
        yield engine


def start_and_kill(folder: Path, after: int) -> int:
    """Start `mmkit answer`, kill it once so many answers stand in its journal, and return how many do."""
    command = [sys.executable, "-m", "mmkit.cli", "answer", "in.jsonl", "out.jsonl", "--max-tokens", str(LETTERS)]
    journal = folder / "out.jsonl.journal"
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as run:
        deadline = time.monotonic() + 400
        while run.poll() is None and time.monotonic() < deadline:
            if journal.exists() and journal.read_bytes().count(b"\n") >= after:
                break
            time.sleep(0.05)
        assert run.poll() is None, run.stderr.read().decode()[-2000:]
        os.killpg(run.pid, signal.SIGKILL)
    assert not (folder / "out.jsonl").exists(), "the target appears whole, or not at all"
    return journal.read_bytes().count(b"\n")


def test_a_thousand_rows_killed_in_the_middle(rows, engine):
    folder, expected = rows
    done = start_and_kill(folder, after=200)
    assert 200 <= done < ROWS - HOSTILE
    with (folder / "out.jsonl.journal").open("ab") as journal:
        journal.write(b'{"key": "torn by the ki')  # what a kill in the middle of a write leaves

    done_now = answer_rows(folder / "in.jsonl", folder / "out.jsonl", engine, max_tokens=LETTERS)
    assert done_now == Counts(ROWS, HOSTILE, done), "nothing is done twice"
    lines = (folder / "out.jsonl.journal").read_text().splitlines()
    keys = Counter(json.loads(line)["key"] for line in lines)
    assert len(keys) == len(lines) == ROWS - HOSTILE

    assert answer_rows(folder / "clean.jsonl", folder / "clean-out.jsonl", engine, max_tokens=LETTERS).errors == 0
    clean = (folder / "clean-out.jsonl").read_text().splitlines()
    out = (folder / "out.jsonl").read_text().splitlines()
    assert [line for place, line in enumerate(out) if place not in expected] == clean
    for place, kinds in expected.items():
        found = getattr(tree, json.loads(out[place])["error"]["type"])
        assert issubclass(found, tuple(getattr(tree, kind) for kind in kinds)), out[place]
    assert len({json.loads(line)["answer"] for line in clean}) > 3, "the answers tell rows apart"

    again = answer_rows(folder / "in.jsonl", folder / "out.jsonl", engine, max_tokens=LETTERS)
    assert again == Counts(ROWS, HOSTILE, ROWS - HOSTILE)
    assert (folder / "out.jsonl").read_text().splitlines() == out
    assert answer_rows(folder / "in.jsonl", folder / "out.jsonl", engine, max_tokens=2).kept == 0, "another length"


@pytest.mark.parametrize("model", ["tiny-qwen2-vl", "tiny-qwen2-audio"])
def test_typed_control_tokens_move_no_item(engine, model):
    """vLLM's own placeholder ranges, with and without each reserved string in the user's text: the same."""
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY

    ready = MultiModalPreprocessor(model)
    modality = ready.modalities[0]
    items = {"images": (picture(), picture("JPEG"))} if modality == "image" else {"audios": (sound(),)}
    config = ModelConfig(model=ready.model, dtype="float32", max_model_len=1024, limit_mm_per_prompt={modality: 2})
    processor = MULTIMODAL_REGISTRY.create_processor(config)

    def ranges(text: str):
        prompt = ready.to_prompt(MultiModalSample(text, **items))
        made = processor(prompt.text, mm_items=processor.info.parse_mm_data(prompt.items))
        places = [(place.offset, place.length) for place in made["mm_placeholders"][modality]]
        return places, made["mm_hashes"][modality]

    plain = ranges("What is it?")
    assert len(plain[0]) == len(next(iter(items.values())))
    for string in ready.reserved:
        assert ranges(f"What {string} is it? {string * 3}") == plain, string
