"""Where time goes. Oracles: a clock that is set by hand, and the paths whose steps these are."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mmkit import kernels, stages
from mmkit.cli import app
from mmkit.engine import Engine, Settings
from mmkit.errors import MediaError
from mmkit.image import load_image
from mmkit.plots import describe, stage_bars
from mmkit.recipes import CLIP, QWEN2_VL
from mmkit.stages import REMEDIES, Stage, answered, lever, prepared, table, timed

DATA = Path(__file__).parents[1] / "data"
PREPARED = {
    "circle_and_square.png": ["read", "decode", "resize", "normalize, pack"],
    "circle.flac": ["read", "decode", "resample", "log-mel"],
    "index.mp4": ["read", "decode", "resize", "normalize, pack"],
}


def test_a_stage_is_timed_by_itself_and_its_first_run_does_not_count(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    first = [100.0]  # what a compiler takes, once

    def slow(value: int) -> int:
        now[0] += 0.003 + (first.pop() if first else 0)
        return value + 1

    def quick(value: int) -> int:
        now[0] += 0.001
        assert value == 2  # what the step before has made
        return value

    found = timed([("slow", slow), ("quick", quick)], 1, repeats=3)
    assert [stage.name for stage in found] == ["slow", "quick"]
    assert [stage.milliseconds for stage in found] == pytest.approx([3.0, 1.0])
    assert table(found).splitlines()[0].split() == ["slow", "3.00", "ms", "75%"]
    assert lever([Stage("read", 1.0), Stage("encoder", 9.0)]).startswith(
        "encoder takes 90% of the time: send fewer"
    )


@pytest.mark.parametrize("file", PREPARED)
def test_the_stages_of_each_modality(file):
    found = prepared(DATA / file, repeats=1)
    assert [stage.name for stage in found] == PREPARED[file]
    assert all(stage.milliseconds > 0 and stage.name in REMEDIES for stage in found)


@pytest.mark.parametrize("recipe", [QWEN2_VL, CLIP], ids=lambda recipe: recipe.name)
def test_the_steps_of_a_picture_are_those_of_its_features(recipe):
    value = stages.read(DATA / "harbour.jpg")
    for _, step in stages.picture_steps(recipe):
        value = step(value)
    made = value[0] if isinstance(value, tuple) else value
    whole = kernels.image_features(load_image(DATA / "harbour.jpg"), recipe)["pixel_values"].numpy()
    assert np.array_equal(made, whole)


@pytest.mark.vllm
def test_the_stages_inside_vllm():
    with Engine("tiny-qwen2-vl", settings=Settings(max_num_seqs=2), quiet=True) as engine:
        found = answered(engine, DATA / "circle_and_square.png", tokens=8, repeats=3)
    names = ["tokenize", "vLLM's processor", "encoder", "prefill", "decode tokens"]
    assert [stage.name for stage in found] == names
    assert all(stage.name in REMEDIES for stage in found)
    times = {stage.name: stage.milliseconds for stage in found}
    assert min(times.values()) >= 0
    assert times["prefill"] > 0
    assert times["decode tokens"] > 0  # seven steps more


def test_the_command_prints_a_table_a_lever_and_draws(tmp_path):
    out = tmp_path / "where.png"
    run = CliRunner().invoke(
        app, ["profile", str(DATA / "badge.png"), str(DATA / "beep.wav"), "--repeats", "1", "--plot", str(out)]
    )
    assert run.exit_code == 0, run.output
    assert all(f"\n{name}" in run.stdout for name in ("read", "resize", "log-mel"))
    assert run.stdout.count("% of the time: ") == 2
    described = Image.open(out).text["Description"]
    assert "takes longest" in described
    assert "milliseconds" in described
    (tmp_path / "bad.png").write_bytes((DATA / "badge.png").read_bytes()[:200])
    failed = CliRunner().invoke(app, ["profile", str(tmp_path / "bad.png")])
    assert isinstance(failed.exception, MediaError)


def test_the_figure_says_which_stage_is_longest():
    figure = stage_bars({"a.png": [("read", 0.5), ("decode", 4.0)], "b.wav": [("log-mel", 2.0), ("decode", 1.0)]})
    said = describe(figure)
    assert "a.png: decode takes longest, 4.0 of 4.5 ms" in said
    assert "b.wav: log-mel takes longest, 2.0 of 3.0 ms" in said
