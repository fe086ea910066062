"""The shared training loop: deterministic, resumable, each weight moved by one optimizer.

Oracles: an unbroken run (bit for bit), and torch's own optimizers applied by hand.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmkit.errors import ModelError
from mmkit.zoo import recipes, training
from mmkit.zoo.audio import qwen2_audio
from mmkit.zoo.training import Trainer, TrainingConfig
from mmkit.zoo.vision.train import VisionConfig, VisionTask
from tests.line_task import LineConfig, LineTask


def finished(trainer: Trainer) -> dict:
    for _ in trainer.run():
        pass
    return trainer.module.state_dict() | {f"mean {i}": mean for i, mean in enumerate(trainer.mean)}


def assert_same_bits(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns(tmp_path):
    trainer = Trainer(LineTask(replace(LineTask.recipe, steps=200)), tmp_path / "m")
    losses = [shown["answer"] for shown in trainer.run()]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("stopped", [1, 8, 9, 39])
def test_killed_and_resumed_ends_with_the_bits_of_an_unbroken_run(tmp_path, stopped):
    """Whenever the run dies, what it did after its last checkpoint is done again."""
    whole = finished(Trainer(LineTask(), tmp_path / "whole"))
    broken = Trainer(LineTask(), tmp_path / "broken")
    for _ in broken.run():
        broken.evaluate()  # looking changes nothing
        if broken.step == stopped:
            break  # as a kill: nothing more is written
    again = Trainer(LineTask(), tmp_path / "broken")
    assert again.resume() == (stopped >= 8)
    assert again.step == stopped // 8 * 8
    assert_same_bits(whole, finished(again))
    assert again.task.befores == list(range(stopped // 8 * 8, 40))


def test_vision_killed_and_resumed_ends_with_the_same_bits(tmp_path):
    """The real thing, over the seam where answers begin."""
    config = VisionConfig(steps=8, images=3, questions=2, warm_up=2, tower_first=0.4, save_every=3)
    whole = finished(Trainer(VisionTask(config), tmp_path / "whole"))
    broken = Trainer(VisionTask(config), tmp_path / "broken")
    for _ in broken.run():
        if broken.step == 5:
            break
    again = Trainer(VisionTask(config), tmp_path / "broken")
    assert again.resume()
    assert again.step == 3
    assert_same_bits(whole, finished(again))
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()


def test_another_seed_gives_other_weights(tmp_path):
    a, b = (finished(Trainer(LineTask(LineConfig(seed=seed)), tmp_path / str(seed))) for seed in (0, 1))
    assert not torch.equal(a["model.0.weight"], b["model.0.weight"])


def test_threads_of_the_caller_change_nothing_and_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", torch._C.set_num_threads)  # vLLM on a CPU replaces it by nothing
    a = finished(Trainer(LineTask(), tmp_path / "a"))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        b = finished(Trainer(LineTask(), tmp_path / "b"))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert_same_bits(a, b)


def test_a_checkpoint_of_other_numbers_is_refused(tmp_path):
    finished(Trainer(LineTask(), tmp_path / "m"))
    with pytest.raises(
        ModelError, match=r"m\.checkpoint was written with another seed, points; train with the same"
    ):
        Trainer(LineTask(LineConfig(seed=1, points=4)), tmp_path / "m").resume()


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    finished(Trainer(LineTask(), tmp_path / "m"))
    again = Trainer(LineTask(), tmp_path / "m")
    assert again.resume()
    assert list(again.run()) == []


def test_a_save_that_dies_leaves_the_old_model_whole(tmp_path, monkeypatch):
    trainer = Trainer(LineTask(), tmp_path / "m")
    finished(trainer)
    kept = (tmp_path / "m" / "model.pt").read_bytes(), trainer.checkpoint_file.read_bytes()

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        trainer.save()
    assert ((tmp_path / "m" / "model.pt").read_bytes(), trainer.checkpoint_file.read_bytes()) == kept


def test_what_is_saved_is_the_running_mean(tmp_path):
    trainer = Trainer(LineTask(), tmp_path / "m")
    finished(trainer)
    saved = torch.load(tmp_path / "m" / "model.pt", weights_only=True)
    assert torch.equal(saved["0.weight"], trainer.mean[0])
    assert not torch.equal(saved["0.weight"], trainer.parameters[0])


def test_the_mean_follows_its_formula(tmp_path):
    """m <- m + (1 - k)(w - m), k = min(decay, n / (n + 10)) after step n; by hand."""
    trainer = Trainer(LineTask(), tmp_path / "m")
    mean = trainer.parameters[0].detach().clone()
    for n in range(1, 6):
        trainer.advance()
        keep = min(0.998, n / (n + 10))
        mean = mean + (1 - keep) * (trainer.parameters[0].detach() - mean)
    torch.testing.assert_close(trainer.mean[0], mean)


def test_each_weight_is_moved_by_one_optimizer_only():
    model = qwen2_audio.make_model(qwen2_audio.make_tokenizer())
    module = nn.ModuleDict({"model": model, "heads": nn.ModuleDict({"ctc": nn.Linear(128, 23)})})
    (muon, _), (adam, _) = training.optimizers(module, TrainingConfig())
    groups = [*muon.param_groups, *adam.param_groups]
    held = [id(p) for group in groups for p in group["params"]]
    assert len(held) == len(set(held))
    free = [name for name, p in module.named_parameters() if id(p) not in held]
    assert free == ["model.model.audio_tower.embed_positions.weight"]
    names = {id(p): name for name, p in module.named_parameters()}
    moved = [names[id(p)] for p in muon.param_groups[0]["params"]]
    assert all(".layers." in name or "projector" in name for name in moved)
    assert len(moved) > 20
    assert {p.ndim for p in adam.param_groups[1]["params"]} == {1}
    assert adam.param_groups[1]["weight_decay"] == 0


def test_the_rate_climbs_then_falls(tmp_path):
    config = LineConfig(steps=1000, warm_up=100, save_every=10**6)
    trainer = Trainer(LineTask(config), tmp_path / "m")
    trainer.save = lambda: None
    rates = [trainer.optimizers[0][0].param_groups[0]["lr"] / config.muon_rate for _ in trainer.run()]
    assert np.argmax(rates) in range(90, 110)
    assert max(rates) <= 1
    assert 0.01 < rates[-1] < 0.03


def test_ctc_is_minus_the_log_of_all_alignments():
    """Two frames, one word: the paths are (word, word), (blank, word), (word, blank)."""
    p = torch.tensor([[[0.3, 0.7], [0.6, 0.4]]])  # 1 clip, 2 frames, blank and word
    ours = training.ctc_loss(p.log(), torch.tensor([2]), [[1]])
    assert ours.item() == pytest.approx(-np.log(0.7 * 0.4 + 0.3 * 0.4 + 0.7 * 0.6))


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ModelError, match="photos is there already, and not from a training here"):
        Trainer(LineTask(), tmp_path / "photos")


def test_mmkit_train_survives_a_kill(tmp_path):
    """SIGKILL in the middle; the same command again; the files of a run that nobody killed."""
    task = str(Path(__file__).with_name("line_task.py"))

    def command(out):
        return [sys.executable, "-m", "mmkit.cli", "train", task, str(tmp_path / out)]

    run = subprocess.Popen([*command("killed"), "--seed", "3"], stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed.checkpoint").exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    assert torch.load(tmp_path / "killed.checkpoint", weights_only=True)["step"] < 40
    for out in ("killed", "whole"):
        done = subprocess.run([*command(out), "--seed", "3"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("line ")
        assert "40/40" in done.stderr
    assert (tmp_path / "killed" / "model.pt").read_bytes() == (tmp_path / "whole" / "model.pt").read_bytes()


ASTRAY = """
import os
from torch import nn
from tests.line_task import LineTask

class TASK(LineTask):
    def __init__(self, config=LineTask.recipe):
        super().__init__(config)
        if os.environ["RANK"] == "1":
            for parameter in self.model.parameters():
                nn.init.uniform_(parameter)
"""


def test_two_workers_train_as_one_on_the_batches_of_both(tmp_path):
    """torchrun starts them; each draws batches of its own, and one says what came out.

    The second begins with weights of its own; it must take those of the first.
    """

    class BothTask(LineTask):
        def batch(self, step):
            other = LineTask(replace(self.config, seed=self.config.seed + training.WORKER_SEED))
            return [torch.cat(pair) for pair in zip(super().batch(step), other.batch(step), strict=True)]

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python", "--"]
    task = tmp_path / "astray.py"
    task.write_text(ASTRAY)
    command = [sys.executable, "-m", "mmkit.cli", "train", str(task), str(tmp_path / "two"), "--seed", "3"]
    done = subprocess.run([*torchrun, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("line ") == 1
    finished(Trainer(BothTask(LineConfig(seed=3)), tmp_path / "one"))
    one, two = (torch.load(tmp_path / out / "model.pt") for out in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


def as_second_of_two(monkeypatch):
    answers = {"is_initialized": True, "get_rank": 1, "get_world_size": 2, "broadcast": None}
    for name, answer in answers.items():
        monkeypatch.setattr(training.distributed, name, lambda *_, answer=answer: answer)


def test_a_second_worker_resumes_from_the_firsts_checkpoint_and_writes_nothing(tmp_path, monkeypatch):
    """A checkpoint of two; one that a single worker wrote belongs to another run."""
    first = Trainer(LineTask(), tmp_path / "m")
    first.advance()
    first.save()
    as_second_of_two(monkeypatch)
    second = Trainer(LineTask(), tmp_path / "m")
    with pytest.raises(ModelError, match="another workers"):
        second.resume()
    state = torch.load(first.checkpoint_file, weights_only=True)
    torch.save(state | {"config": state["config"] | {"workers": 2}}, first.checkpoint_file)
    written = first.checkpoint_file.stat().st_mtime_ns
    assert second.resume()
    assert second.step == 1
    assert not torch.equal(second.task.batch(1)[0], LineTask().batch(1)[0])
    second.save()
    assert second.checkpoint_file.stat().st_mtime_ns == written


# Recipes


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_states_its_numbers(name):
    task = recipes.find_task(name)
    assert task.recipe.steps >= 1000
    assert task.recipe.steps_per_minute > 0


def test_minutes_become_steps_and_rates_scale():
    task = recipes.build_task("tiny-qwen2-vl", minutes=2, seed=3, rate=0.5)
    config = VisionTask.recipe
    assert task.config == replace(
        config, steps=2 * config.steps_per_minute, seed=3, muon_rate=config.muon_rate / 2, adam_rate=1e-3
    )


def test_a_task_of_your_own_is_found_in_its_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from mmkit.zoo.vision.train import VisionTask\nclass TASK(VisionTask): pass\n")
    assert issubclass(recipes.find_task(str(file)), VisionTask)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("tiny-qwen", "no recipe 'tiny-qwen'; known: tiny-qwen2-vl"),
        ("nowhere.py", "no recipe 'nowhere.py'"),
        ("{tmp}/empty.py", "empty.py defines no TASK"),
        ("{tmp}/wrong.py", "wrong.py defines no TASK"),
    ],
)
def test_what_is_no_recipe_is_said(tmp_path, recipe, told):
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "wrong.py").write_text("TASK = 3\n")
    with pytest.raises(ModelError, match=told):
        recipes.find_task(recipe.format(tmp=tmp_path))
