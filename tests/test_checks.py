"""Each "Is it right?" of the lessons can fail: a wrong formula, put into the lesson, makes its check raise.

Oracle: the lesson itself. A check cell, run with the cells that it needs, passes as it stands; with one formula
replaced by a wrong one, in this or an earlier cell, it must raise. A check that accepts a wrong formula checks
nothing. To add one: a `Wrong` in the notebook's list below; `pytest tests/test_checks.py -k 02_image` tries it.
"""

from __future__ import annotations

import ast
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest

from mmkit.engine import llvmlite_out_of_sight

FOLDER = Path(__file__).parents[1] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@dataclass(frozen=True)
class Wrong:
    """One wrong formula, and the check that must find it."""

    check: str  # a piece of the check cell's source, found in no other check
    right: str  # source in the check cell, or in the last cell before it that has it
    wrong: str  # what stands there instead
    raises: type[Exception] = AssertionError


WRONG: dict[str, list[Wrong]] = {
    "00_start_here": [
        Wrong("twice - once == count + 2", "(height // tile) * (width // tile)", "height * width // 14**2"),
    ],
    "01_text": [
        Wrong("trained_by_the_library", "(-counts[pair], pair)", "(-counts[pair], pair[::-1])"),
        Wrong("trained_by_the_library", "at += 2 if here else 1", "at += 1"),
        Wrong("wordpiece.encode(line)", "range(len(word), start, -1)", "range(start + 1, len(word) + 1)"),
        Wrong("wordpiece.encode(line)", "(best[start][0] + scores.get", "(scores.get"),
        Wrong("tokenizer.padding_side", 'right = text.pad(batch, pad_id=PAD, side="right")', "right = left"),
    ],
    "02_image": [
        Wrong("exif_transpose", "orientation in (3, 4, 7, 8)", "orientation in (3, 4, 5, 6)"),
        Wrong("to_image", "permute(2, 0, 1)  # HWC", "reshape(3, 480, 640)  # HWC"),
        Wrong("to_image", "/ 255  # (3", "/ 256  # (3"),
        Wrong("resize_by_matrix", "(np.arange(new) + 0.5) * scale - 0.5", "np.arange(new) * scale"),
        Wrong("resize_by_matrix", "max(scale, 1) if antialias else 1", "1"),
        Wrong("parts[1] < 1e-6", "(pixels / 255 - recipe.mean) / recipe.std", "pixels / 255 - recipe.mean"),
        Wrong("def asked", "round(side / 28)", "int(side / 28 + 0.5)"),
        Wrong("def asked", "> 200 *", "> 300 *"),
        Wrong("def asked", "math.floor(side / beta / 28)", "round(side / beta / 28)"),
        Wrong("our few lines", "transpose(1, 4, 2, 5, 7, 0, 3, 6)", "transpose(1, 2, 4, 5, 7, 0, 3, 6)"),
        Wrong("get_number_of_image_patches", '"patch_size": 16', '"patch_size": 14'),
        Wrong("get_optimal_tiled_canvas", "w / h - c / r", "h / w - c / r"),
        Wrong("get_optimal_tiled_canvas", "tile**2 * r * c / 2", "tile**2 * r * c"),
    ],
    "03_audio": [
        Wrong("atol=2e-6", "cut * np.sinc(cut * t)", "cut * np.sinc(t)"),
        Wrong("atol=2e-6", "* old / new  # counted in old samples", "* new / old  # counted in old samples"),
        Wrong("for k in range(N // 2 + 1)", "sweep[:, 0] - 1j * sweep[:, 1]", "sweep[:, 0] + 1j * sweep[:, 1]"),
        Wrong("for k in range(N // 2 + 1)", "2 * np.pi * k * turn)", "np.pi * k * turn)"),
        Wrong("torch.stft", "np.sin(np.pi * np.arange(N) / N)", "np.sin(np.pi * np.arange(N) / (N - 1))"),
        Wrong("torch.stft", 'mode="reflect"', 'mode="edge"'),
        Wrong("melscale_fbanks", "2 / (high - low)", "1 / (high - low)"),
        Wrong("melscale_fbanks", "2595 * np.log10(1 + f / 700)", "1127 * np.log(1 + f / 710)"),
        Wrong("reference = extractor", "log.max() - 8", "log.max() - 80"),
        Wrong("reference = extractor", "(log + 4) / 4", "(log + 5) / 4"),
        Wrong("MelSpectrogram", "recipes.ARTICLE", "replace(recipes.ARTICLE, mel_scale='slaney')"),
        Wrong("audio.voice_activity", "np.percentile(level, 10) + 6", "np.percentile(level, 10) + 12"),
        Wrong("audio.voice_activity", "0.15 * rate", "0.10 * rate"),
    ],
    "04_video": [
        Wrong(
            "assert_allclose(times_of", "np.asarray(indices) / source_fps", "np.asarray(indices) / (source_fps - 1)"
        ),
        Wrong("398 lengths", "k * (total - 1) // (count - 1)", "k * total // count"),
        Wrong("films and rates", "torch.arange(0, total, total / n)", "torch.arange(0, total, int(total / n))"),
        Wrong("films and rates", "int(n // 2 * 2)", "int(n)"),
        Wrong("read_index(frame) for frame in each.frames", "each.indices.tolist()", "sorted(each.indices + 1)"),
        Wrong(
            "pixel_values_videos",
            "x.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)",
            "x.transpose(0, 2, 5, 3, 6, 1, 8, 4, 7)",
        ),
        Wrong("pixel_values_videos", "np.repeat(frames[-1:], missing", "np.repeat(frames[:1], missing"),
        Wrong("rope_index(kinds, (2, 4, 6))", "middle.max() + 1", "middle.max() + 2"),
        Wrong("rope_index(kinds, (2, 4, 6))", "np.stack([time, row, column])", "np.stack([time, column, row])"),
    ],
    "05_pipeline": [
        Wrong("np.rint(raw / 257)", "raw / 257", "raw / 256"),
        Wrong("np.rint(raw / 257)", "stereo.mean(axis=1)", "stereo[:, 0]"),
        Wrong("row == reference", "expand(ids, [16, 20])", "expand(ids, [16, 16])"),
        Wrong("row == reference", "[PAD] * next(counts)", "[PAD] * 16"),
        Wrong("batch.buckets(LENGTHS", "1 - sum(map(sum, batches)) / places", "sum(map(sum, batches)) / places"),
        Wrong("batch.buckets(LENGTHS", "lengths[i : i + 8]", "lengths[i : i + 4]"),
    ],
    "06_align_and_fuse": [
        Wrong("embeddings, theirs", "F.gelu(merger.mlp[0]", "F.relu(merger.mlp[0]"),
        Wrong("forward(given)[0], model(", "keepdim=True) + eps).sqrt()", "keepdim=True) + eps)"),
        Wrong("both losses equal", "z * (scale * S + bias)", "(scale * S + bias)"),
        Wrong("both losses equal", "(scale * S).log_softmax(dim=0)", "(scale * S).log_softmax(dim=1)"),
        Wrong("fusion.cross_attention(given", "heads=layer.num_heads", "heads=1"),
        Wrong(
            "read, embed_captions(captions)",
            "F.normalize(clip.get_text_features(**given).pooler_output, dim=-1)",
            "clip.get_text_features(**given).pooler_output",
        ),
    ],
    "07_prompt_updates": [
        Wrong("expand_by_hand(two, pad, sizes)", "sizes.pop(0)", "sizes.pop()"),
        Wrong("1000 of 1000 equal", "(PromptUpdate(modality, mode,", '(PromptUpdate(modality, "insert",'),
        Wrong("200 prompts equal", '("vllm", "transformers")', '("vllm", "vllm")'),
    ],
    "08_register_a_model": [
        Wrong("here - apart", "torch.cat((-b, a)", "torch.cat((b, a)"),
        Wrong("here - apart", "torch.cat((down, across), 1)", "torch.cat((down, down), 1)"),
        Wrong("here - apart", "x * angles.cos() +", "x +"),
        Wrong("by_hand.load_state_dict", "turned(q, turns), turned(k, turns)", "turned(q, turns), k"),
        Wrong("by_hand.load_state_dict", "return 0.3 * torch.cat", "return torch.cat"),
        Wrong("by_hand.load_state_dict", "q.shape[-1] ** 0.5", "q.shape[-1]"),
        Wrong("by_hand.load_state_dict", "/ (half - 1)", "/ half"),
        Wrong("by_transformers.tolist()", "* config.image_tokens)", "* (config.image_tokens - 1))"),
        Wrong("by_transformers.tolist()", "config.audio_tokens(int(frames))\n\n", "config.audio_tokens(100)\n\n"),
    ],
    "09_ask_about_pictures": [
        Wrong("by_chat.prompt_token_ids", '[*items, {"type": "text"', '[*items, *items, {"type": "text"'),
        Wrong("abs(ours - theirs)", "np.exp(sum(step[token].logprob", "np.exp(max(step[token].logprob"),
        Wrong("honest = reliability", "good[bins == b].mean()", "sure[bins == b].mean()"),
        Wrong("honest = reliability", "sure, edges[1:-1]", "sure, edges"),
        Wrong("at each temperature", "1e-30)) / temperature", "1e-30))"),
        Wrong("at each temperature", "1e-30)) / temperature", "1e-30)) * temperature"),
        Wrong("def nucleus", "held, top_p) + 1", "held, top_p) + 2"),
        Wrong("def nucleus", "[kept] / probabilities[kept].sum()", "[kept]"),
        Wrong("by_vectors.outputs[0].token_ids", "values.pooler_output[0]", "values.pooler_output[0].flip(0)"),
        Wrong("get_placeholder_str", '"image": "<start_of_image>"', '"image": "<image>"'),
    ],
    "10_ask_about_sound": [
        Wrong(
            "published.input_features[0], rtol=0",
            "mel = log_mel(clip.wave, recipe)",
            "mel = log_mel(2 * clip.wave, recipe)",
        ),
        Wrong(
            "written.tolist()",
            "reference.generate(published.input_features)",
            "reference.generate(published.input_features * 0)",
        ),
        Wrong("counted == audio_tokens", "(halved - 2) // 2 + 1", "halved // 2 + 1"),
        Wrong("counted == audio_tokens", "-(-samples // 160)", "samples // 80"),
    ],
    "11_serving": [
        Wrong("equal for 300 lengths", "4 * -(-n // 3)", "4 * n // 3"),
        Wrong("equal for 300 lengths", "4 * -(-n // 3)", "4 * -(-n // 4)"),
        Wrong("three videos, equal", '/ clock["fps"]', "/ 1.0"),
        Wrong(
            "three videos, equal", 'np.array(clock["frames_indices"])', "np.arange(len(clock['frames_indices']))"
        ),
        Wrong("by the law", "rate * (ends - starts).mean()", "(ends - starts).mean() / rate"),
        Wrong("by the law", "len(starts) / span", "len(starts) / starts.max()"),
    ],
    "12_fast_and_big": [
        Wrong("theirs[0, -40:]", "positions[:, -1:] + 1", "positions[:, -1:] + 2"),
        Wrong("theirs[0, -40:]", "triu(T - n + 1)", "triu(T - n + 2)"),
        Wrong("theirs[0, -40:]", "torch.cat(pair, 1)", "pair[1]"),
        Wrong("our_blocks == their_blocks", "len(table) * self.size < tokens", "len(table) * self.size <= tokens"),
        Wrong("our_blocks == their_blocks", "self.computed += len(self.rows)", "self.computed += 1"),
        Wrong("our_blocks == their_blocks", "len(running) < seats", "len(running) <= seats"),
        Wrong("num_cached_tokens", "[(name, start - at)", "[(0, start - at)"),
        Wrong("num_cached_tokens", "(len(ids) - 1) // size", "len(ids) // size"),
        Wrong("np.array_equal(out, reference)", "mx * 14 + px, c]", "my * 14 + px, c]"),
        Wrong("np.array_equal(out, reference)", "- mean[c]) / std[c]", "- mean[c]) * std[c]"),
        Wrong("exponent(case", "/ (x * x).sum()", "/ (y * y).sum()"),
        Wrong("bound(64) - 1", "heapq.heappush(free, ready[-1])", "heapq.heappush(free, begin)"),
        Wrong("bound(64) - 1", "engine = started + fixed + each", "engine = started + each"),
    ],
    "13_applications": [
        Wrong("assert ours == template(", 'turns[:-1] if "talk"', 'turns[1:] if "talk"'),
        Wrong("by_score = label_scores", "doubts[None, :] >= thresholds", "doubts[None, :] > thresholds"),
        Wrong("by_score = label_scores", "found / truths.sum()", "found / len(truths)"),
        Wrong("cheapest(doubts, truths, costs)", "20 * missed", "2 * missed"),
        Wrong("cheapest(doubts, truths, costs)", "key=lambda pair: cost(*pair)", "key=lambda pair: -cost(*pair)"),
        Wrong("Z**2 * end", "1.959963984540054", "1.96"),
        Wrong("Z**2 * end", "end * (1 - end) / n", "share.value * (1 - share.value) / n"),
    ],
    "14_troubleshooting": [
        Wrong("format_exception_only", 'f"{type(error).__name__}: {text}"', "text"),
        Wrong("format_exception_only", r"(?<![\w.])/[\w.@/-]+", r"/\w+"),
        Wrong("num_gpu_blocks ==", "heads * width * 4  # float32", "heads * width * 2  # float32"),
        Wrong("num_gpu_blocks ==", "token = 2 * text", "token = text"),
    ],
    "15_train_a_tiny_model": [
        Wrong("theirs = task.model", "log_softmax(-1)[places - 1]", "log_softmax(-1)[places]"),
        Wrong("theirs = task.model", "torch.where(learn, ids, -100)", "torch.where(learn, ids, ids)"),
        Wrong("torch.optim.Muon", "S = X @ X.T", "S = X.T @ X"),
        Wrong("torch.optim.Muon", "rounds=5", "rounds=0"),
    ],
}


@dataclass(frozen=True)
class Lesson:
    """The code cells of a notebook, in order, and which of them follow an "Is it right?"."""

    cells: tuple[str, ...]
    checks: tuple[int, ...]  # places among the cells

    @classmethod
    def read(cls, stem: str) -> Lesson:
        cells, checks, asked = [], [], False
        for cell in nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4).cells:
            if cell.cell_type == "code":
                checks += [len(cells)] if asked else []
                cells.append(cell.source)
            asked = cell.cell_type == "markdown" and "**Is it right?**" in cell.source
        return cls(tuple(cells), tuple(checks))

    def check(self, piece: str) -> int:
        """The check cell that has this piece of source."""
        places = [at for at in self.checks if piece in self.cells[at]]
        assert len(places) == 1, f"{len(places)} checks have {piece!r}"
        return places[0]

    def spoiled(self, wrong: Wrong) -> Lesson:
        """The lesson with a wrong formula in it."""
        places = [at for at in range(self.check(wrong.check) + 1) if wrong.right in self.cells[at]]
        assert places, f"no cell has {wrong.right!r}"
        cells = list(self.cells)
        cells[places[-1]] = cells[places[-1]].replace(wrong.right, wrong.wrong)
        return Lesson(tuple(cells), self.checks)

    def run(self, at: int, names: dict) -> None:
        """Run a cell; where a name is missing, first the last cell before it that binds this name."""
        while True:
            # Other tests have imported numba, in whose presence vLLM's own LLM does not start on a CPU.
            numba_hidden = llvmlite_out_of_sight() if "LLM(" in self.cells[at] else nullcontext()
            try:
                with numba_hidden:
                    return exec(compile(self.cells[at], f"<cell {at}>", "exec"), names)
            except NameError as error:
                makers = [maker for maker in range(at) if error.name in bound_names(self.cells[maker])]
                if not makers:
                    raise
                self.run(makers[-1], names)


def bound_names(source: str) -> set[str]:
    """Names that a cell binds at its top level.

    >>> sorted(bound_names("import numpy as np\\na, b = 1, 2\\ndef f(): d = 4"))
    ['a', 'b', 'f', 'np']
    """
    bound: set[str] = set()
    todo: list[ast.AST] = list(ast.parse(source).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        else:
            todo += ast.iter_child_nodes(node)
    return bound


@pytest.mark.parametrize("stem", STEMS)
def test_each_check_finds_a_wrong_formula(stem, monkeypatch):
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(str(FOLDER))
    lesson, accepted = Lesson.read(stem), []
    started, shared = None, {}  # an engine is started once for all checks behind the cell that makes it
    for at in sorted({lesson.check(wrong.check) for wrong in WRONG.get(stem, [])}):
        makers = [maker for maker in range(at) if "engine" in bound_names(lesson.cells[maker])]
        if makers and makers[-1] != started:
            close(shared)
            started, shared = makers[-1], {}
        names = {"display": print} | shared
        lesson.run(at, names)  # passes as it stands
        shared |= {name: names[name] for name in ("engine", "llm") if name in names}
        for wrong in [each for each in WRONG.get(stem, []) if lesson.check(each.check) == at]:
            try:
                lesson.spoiled(wrong).run(at, {"display": print} | shared)
            except wrong.raises:
                continue
            finally:
                plt.close("all")
            accepted.append(f"{wrong.right!r} -> {wrong.wrong!r}")
    close(shared)
    assert accepted == []


def close(shared: dict) -> None:
    """Free the engine that a lesson started."""
    if "engine" in shared:
        shared["engine"].close()


@pytest.mark.parametrize("stem", STEMS)
def test_each_check_has_a_wrong_formula(stem):
    lesson = Lesson.read(stem)
    bare = set(lesson.checks) - {lesson.check(wrong.check) for wrong in WRONG.get(stem, [])}
    assert not bare, [lesson.cells[at][:60] for at in sorted(bare)]


def test_a_check_that_accepts_everything_is_found():
    lesson = Lesson(("def area(h, w):\n    return h * w", "print(area(2, 3))", "assert area(2, 3) > 0"), (2,))
    lesson.run(2, {})
    lesson.spoiled(Wrong("> 0", "h * w", "h + w")).run(2, {})  # says nothing
    with pytest.raises(AssertionError):
        lesson.spoiled(Wrong("> 0", "h * w", "-h * w")).run(2, {})
