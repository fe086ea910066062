"""Exercises: every solution passes, every stub is told kindly, every planted wrong answer is caught.

Oracle: the notebooks themselves. Stub and solution cells are read out of each .ipynb by their tags ("stub",
"solution") together with the cells' calls `graders.NAME(function)`. A notebook's owner adds nothing here but
two or more wrong answers an exercise, in the notebook's section below: WRONG["NAME"] = [function, ...].
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

import graders  # noqa: E402

CALL = re.compile(r"\bgraders\.(\w+)\((\w+)\)")
WRONG: dict[str, list] = {}


def exercises() -> list[tuple[str, str, str]]:
    """(notebook, grader, name of the learner's function) of every exercise."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in code_cells(path.name):
            for grader, function in CALL.findall(cell.source):
                found[path.name, grader, function] = None
    return list(found)


def code_cells(notebook: str) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(NOTEBOOKS / notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def tagged(notebook: str, tag: str, function: str) -> str:
    """The source of the one cell with this tag that defines this function."""
    sources = [
        cell.source
        for cell in code_cells(notebook)
        if tag in cell.metadata.get("tags", []) and re.search(rf"^def {function}\(", cell.source, re.M)
    ]
    assert len(sources) == 1, f"{notebook}: {len(sources)} cells tagged {tag!r} define {function}"
    return sources[0]


def lesson_names(notebook: str) -> dict:
    """What the lesson has imported and defined before its exercises: imports, functions, CONSTANTS."""
    names: dict = {}
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        if "stub" in tags or "solution" in tags or "raises-exception" in tags:
            continue
        source = "\n".join("" if line.startswith(("%", "!")) else line for line in cell.source.splitlines())
        for node in ast.parse(source).body:
            constant = isinstance(node, ast.Assign) and all(
                isinstance(target, ast.Name) and target.id.isupper() for target in node.targets
            )
            if constant or isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                with contextlib.suppress(Exception):  # a constant made from data: not needed by a solution
                    exec(compile(ast.Module([node], []), notebook, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _in_notebooks_folder(monkeypatch):
    """Notebooks read ../data; a failing case may be drawn, which needs no screen."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(NOTEBOOKS)
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.mark.parametrize(("notebook", "grader", "function"), exercises())
def test_solution_passes(notebook, grader, function, capsys):
    source = tagged(notebook, "solution", function)
    assert (grader, function) in CALL.findall(source), "the solution cell must call its grader"
    names = lesson_names(notebook)
    exec(source, names)
    capsys.readouterr()
    verdict = getattr(graders, grader)(names[function])
    assert verdict, verdict
    assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("notebook", "grader", "function"), exercises())
def test_stub_is_told_kindly(notebook, grader, function, capsys):
    names = lesson_names(notebook)
    exec(tagged(notebook, "stub", function), names)
    verdict = getattr(graders, grader)(names[function])
    assert not verdict
    assert "not done yet" in capsys.readouterr().out


@pytest.mark.parametrize(("notebook", "grader", "function"), exercises())
def test_wrong_answers_are_caught(notebook, grader, function, capsys):
    wrong = WRONG.get(grader, [])
    assert len(wrong) >= 2, f"plant two or more wrong answers for graders.{grader}"
    for answer in wrong:
        verdict = getattr(graders, grader)(answer)
        printed = capsys.readouterr().out
        assert not verdict, f"graders.{grader} lets the planted wrong answer {answer.__name__} through"
        assert "Not yet" in printed, f"{answer.__name__} is wrong, not a stub: {printed}"


def test_every_planted_answer_belongs_to_an_exercise():
    assert set(WRONG) <= {grader for _, grader, _ in exercises()}


def wrong(grader: str):
    """Decorator: plant this function as a wrong answer to graders.<grader>."""

    def plant(function):
        WRONG.setdefault(grader, []).append(function)
        return function

    return plant


# --- the mechanism itself ------------------------------------------------------------------------------------


def verdict_of(learner, reference, cases, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        return graders.grade(learner, reference, cases, **options)


def test_smallest_failing_case_is_shown():
    cases = [graders.case("long", "qwxertz"), graders.case("easy", "ab")]
    verdict = verdict_of(lambda s: s if "x" in s else s[::-1], lambda s: s[::-1], cases)
    assert not verdict
    assert "differs in 1 of 2" in verdict.text
    assert re.search(r"input     '(.x|x.)'\n", verdict.text), verdict.text  # cut down from 'qwxertz'


def test_grader_never_raises_and_names_the_learners_error():
    def broken(s):
        raise KeyError("k")

    assert "raised KeyError: 'k'" in verdict_of(broken, str.upper, [graders.case("one", "a")]).text
    assert "function itself" in verdict_of(3, str.upper, [graders.case("one", "a")]).text


def test_changing_the_input_is_a_failure():
    def pops(values):
        total = sum(values)
        values.clear()
        return total

    assert "changes its input" in verdict_of(pops, sum, [graders.case("two", [1, 2])]).text


def test_expected_error():
    cases = [graders.case("fine", "3"), graders.case("bad", "x")]
    assert verdict_of(int, int, cases)
    silent = verdict_of(lambda s: int(s) if s.isdigit() else -1, int, cases)
    assert "an error such as ValueError" in silent.text


@pytest.mark.parametrize(
    "stub", [lambda s: None, lambda s: ..., lambda s: (_ for _ in ()).throw(NotImplementedError)]
)
def test_stub_in_any_form(stub):
    verdict = verdict_of(stub, str.upper, [graders.case("one", "a")])
    assert "not done yet" in verdict.text


@pytest.mark.parametrize(
    ("got", "want", "expected"),
    [
        (np.float32(1), 1.0, True),
        (1.0001, 1.0, False),
        (True, 1, False),
        (1, True, False),
        ([1, 2], (1, 2), True),
        (np.ones((2, 3)), np.ones((3, 2)), False),
        (np.ones(2, int), np.ones(2), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        ("1", 1, False),
        ({"a": [1.0]}, {"a": [1.0]}, True),
        (None, "", False),
    ],
)
def test_equal_by_hand(got, want, expected):
    assert graders.equal(got, want) is expected


def test_random_numbers_are_the_same_for_everybody():
    assert graders.seeded("a").randrange(10**6) == 675258


def test_a_notebook_shows_a_verdict_once():
    verdict = verdict_of(str.upper, str.upper, [graders.case("one", "a")])
    assert bool(verdict) is True
    assert verdict._ipython_display_() is None


# --- 00_start_here ---------------------------------------------------------------------------------------


@wrong("tokens_of_any_picture")
def rounds_down(height, width):
    return (height // 28) * (width // 28)


@wrong("tokens_of_any_picture")
def rounds_the_product(height, width):
    return max(1, round(height * width / 784))


@wrong("tokens_of_any_picture")
def rounds_half_up(height, width):
    return max(1, int(height / 28 + 0.5)) * max(1, int(width / 28 + 0.5))


@wrong("chat_prompt")
def forgets_the_assistant(question, pictures):
    marks = "<|vision_start|><|image_pad|><|vision_end|>" * pictures
    return f"<|im_start|>user\n{marks}{question}<|im_end|>\n"


@wrong("chat_prompt")
def always_one_picture(question, pictures):
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    return f"<|im_start|>user\n{mark}{question}<|im_end|>\n<|im_start|>assistant\n"


@wrong("fits")
def only_too_few(prompt, pictures):
    return prompt.count("<|image_pad|>") >= pictures


@wrong("fits")
def counts_any_pad(prompt, pictures):
    return prompt.count("_pad|>") == pictures


# --- 01_text -------------------------------------------------------------------------------------------------


@wrong("merge_rule")
def first_seen_wins_ties(chunks):
    counts = {}
    for ids in chunks:
        for pair in pairwise(ids):
            counts[pair] = counts.get(pair, 0) + 1
    return max(counts, key=counts.get, default=())


@wrong("merge_rule")
def merges_across_chunks(chunks):
    ids = [each for ids in chunks for each in ids]
    pairs = list(pairwise(ids))
    return min(pairs, key=lambda pair: (-pairs.count(pair), pair), default=())


@wrong("merge_rule")
def ties_by_the_second_id(chunks):
    pairs = [pair for ids in chunks for pair in pairwise(ids)]
    return min(pairs, key=lambda pair: (-pairs.count(pair), pair[::-1]), default=())


@wrong("replay_merges")
def leftmost_instead_of_oldest(ids, merges):
    known = {(a, b): new for a, b, new in merges}
    ids, at = list(ids), 0
    while at < len(ids) - 1:
        if (ids[at], ids[at + 1]) in known:
            ids[at : at + 2] = [known[ids[at], ids[at + 1]]]
            at = 0
        else:
            at += 1
    return ids


@wrong("replay_merges")
def only_the_first_place(ids, merges):
    ids = list(ids)
    for a, b, new in merges:
        for at in range(len(ids) - 1):
            if ids[at : at + 2] == [a, b]:
                ids[at : at + 2] = [new]
                break
    return ids


@wrong("replay_merges")
def works_on_the_callers_list(ids, merges):
    for a, b, new in merges:
        at = 0
        while at < len(ids) - 1:
            if ids[at : at + 2] == [a, b]:
                ids[at : at + 2] = [new]
            at += 1
    return ids


@wrong("padding")
def always_right(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids = [row + [pad_id] * (width - len(row)) for row in rows]
    return ids, [[1] * len(row) + [0] * (width - len(row)) for row in rows]


@wrong("padding")
def mask_from_the_ids(rows, pad_id, side):
    width = max(map(len, rows), default=0)
    ids = [[pad_id] * (width - len(r)) + r if side == "left" else r + [pad_id] * (width - len(r)) for r in rows]
    return ids, [[int(each != pad_id) for each in row] for row in ids]


@wrong("cut_to_bytes")
def cuts_characters_not_bytes(s, limit):
    return s[:limit]


@wrong("cut_to_bytes")
def half_characters_become_signs(s, limit):
    return s.encode()[:limit].decode(errors="replace")


@wrong("cut_to_bytes")
def one_character_too_few(s, limit):
    kept = s.encode()[:limit].decode(errors="ignore")
    return kept if len(kept) == len(s) else kept[:-1]


# --- 04_video ------------------------------------------------------------------------------------------------


@wrong("on_screen")
def takes_the_nearest_frame(times, seconds):
    return int(np.argmin(np.abs(np.array(times) - seconds)))


@wrong("on_screen")
def assumes_a_constant_rate(times, seconds):
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1.0
    return int(min(max(seconds * rate, 0), len(times) - 1))


@wrong("on_screen")
def begins_too_late(times, seconds):
    return max(0, sum(time < seconds for time in times) - 1)


@wrong("on_screen")
def counts_from_the_end_before_the_start(times, seconds):
    return int(np.searchsorted(times, seconds, side="right")) - 1


@wrong("true_times")
def divides_by_the_sampling_rate(count, step, source_fps):
    return [i * step / (source_fps / step) for i in range(count)]


@wrong("true_times")
def forgets_what_was_left_out(count, step, source_fps):
    return [i / source_fps for i in range(count)]


@wrong("true_times")
def believes_in_24_frames_a_second(count, step, source_fps):
    return [i * step / 24 for i in range(count)]


@wrong("clip_tokens")
def drops_the_odd_frame(frames, height, width):
    return frames // 2 * (height // 28) * (width // 28)


@wrong("clip_tokens")
def counts_patches_not_tokens(frames, height, width):
    return (frames + 1) // 2 * (height // 14) * (width // 14)


@wrong("clip_tokens")
def pays_for_each_frame(frames, height, width):
    return frames * (height // 28) * (width // 28)


@wrong("stretched")
def stretches_the_start_too(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([((time + start) * interval).astype(int), row + start, column + start])


@wrong("stretched")
def rounds_up(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([np.ceil(time * interval).astype(int), row, column]) + start


@wrong("stretched")
def exchanges_row_and_column(start, gt, gh, gw, interval):
    time, row, column = np.indices((gt, gh, gw)).reshape(3, -1)
    return np.stack([(time * interval).astype(int), column, row]) + start


@wrong("stretched")
def forgets_the_stretch(start, gt, gh, gw, interval):
    return np.indices((gt, gh, gw)).reshape(3, -1) + start


# --- 03_audio ------------------------------------------------------------------------------------------------


@wrong("heard_at")
def folds_only_once(f, rate):
    return f if f <= rate / 2 else abs(rate - f)


@wrong("heard_at")
def takes_the_remainder(f, rate):
    return f % rate


@wrong("heard_at")
def believes_that_it_vanishes(f, rate):
    return f if f <= rate / 2 else 0


@wrong("to_mono")
def adds_before_it_makes_floats(pcm):
    return (pcm.sum(axis=1, dtype=np.int16) / pcm.shape[1]) / 32768


@wrong("to_mono")
def divides_by_the_largest_integer(pcm):
    return pcm.astype(np.float64).mean(axis=1) / 32767


@wrong("to_mono")
def plays_the_channels_one_after_the_other(pcm):
    return pcm.astype(np.float64).ravel() / 32768


@wrong("to_mono")
def adds_the_channels(pcm):
    return pcm.astype(np.float64).sum(axis=1) / 32768


@wrong("whisper_scale")
def takes_the_natural_logarithm(power):
    log = np.log(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


@wrong("whisper_scale")
def forgets_the_limit(power):
    return (np.log10(np.maximum(power, 1e-10)) + 4) / 4


@wrong("whisper_scale")
def takes_the_loudest_of_each_frame(power):
    log = np.log10(np.maximum(power, 1e-10))
    return (np.maximum(log, log.max(axis=0) - 8) + 4) / 4


@wrong("whisper_scale")
def adds_instead_of_flooring(power):
    log = np.log10(power + 1e-10)
    return (np.maximum(log, log.max() - 8) + 4) / 4


@wrong("price")
def twenty_five_a_second(samples, rate):
    return int(25 * min(samples / rate, 30))


@wrong("price")
def forgets_to_resample(samples, rate):
    frames = -(-min(samples, 480_000) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@wrong("price")
def forgets_the_window(samples, rate):
    frames = -(-round(samples * 16_000 / rate) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@wrong("price")
def rounds_the_frames_down(samples, rate):
    frames = min(round(samples * 16_000 / rate), 480_000) // 160
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


# --- 02_image ------------------------------------------------------------------------------------------------


@wrong("smart_size")
def rounds_half_up_to_the_grid(height, width):
    new = [int(side / 28 + 0.5) * 28 for side in (height, width)]
    return _limited(height, width, *new)


@wrong("smart_size")
def forgets_the_limits(height, width):
    return round(height / 28) * 28, round(width / 28) * 28


@wrong("smart_size")
def swaps_the_sides(height, width):
    return _limited(width, height, round(width / 28) * 28, round(height / 28) * 28)


def _limited(height, width, h, w):
    import math

    if h * w > 1_003_520:
        beta = math.sqrt(height * width / 1_003_520)
        h, w = (max(28, math.floor(side / beta / 28) * 28) for side in (height, width))
    elif h * w < 3136:
        beta = math.sqrt(3136 / (height * width))
        h, w = (math.ceil(side * beta / 28) * 28 for side in (height, width))
    return h, w


@wrong("lay_on")
def drops_the_alpha(pixels, colour):
    return pixels[..., :3].copy()


@wrong("lay_on")
def overflows_bytes(pixels, colour):
    alpha = pixels[..., 3:]
    with np.errstate(all="ignore"):
        return (pixels[..., :3] * alpha // 255 + (255 - alpha) * np.uint8(colour) // 255).astype(np.uint8)


@wrong("lay_on")
def always_on_white(pixels, colour):
    share = pixels[..., 3:] / 255
    return np.rint(share * pixels[..., :3] + (1 - share) * 255).astype(np.uint8)


@wrong("token_of_pixel")
def counts_patches_for_tokens(y, x, width):
    return (y // 14) * (width // 14) + x // 14


@wrong("token_of_pixel")
def counts_columns_first(y, x, width):
    return (x // 28) * (width // 28) + y // 28


@wrong("place_in_sequence")
def reads_row_by_row(row, column, columns):
    return row * columns + column


@wrong("place_in_sequence")
def turns_the_block(row, column, columns):
    return ((row // 2) * (columns // 2) + column // 2) * 4 + (column % 2) * 2 + row % 2


# --- 09_ask_about_pictures -----------------------------------------------------------------------------------


@wrong("answered_and_right")
def divides_by_all(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]
    total = max(1, len(confidences))
    return len(kept) / total, sum(kept) / total if kept else 1.0


@wrong("answered_and_right")
def must_be_above(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure > threshold]
    return len(kept) / max(1, len(confidences)), sum(kept) / len(kept) if kept else 1.0


@wrong("answered_and_right")
def divides_by_nothing(confidences, right, threshold):
    kept = [good for sure, good in zip(confidences, right, strict=True) if sure >= threshold]
    return len(kept) / len(confidences), sum(kept) / len(kept)


@wrong("phi_prompt")
def counts_from_zero(question, images):
    marks = "".join(f"<|image_{i}|>\n" for i in range(images))
    return f"<|user|>\n{marks}{question}<|end|>\n<|assistant|>\n"


@wrong("phi_prompt")
def formats_what_the_user_typed(question, images):
    marks = "".join(f"<|image_{i}|>\n" for i in range(1, images + 1))
    return ("<|user|>\n" + marks + question + "<|end|>\n<|assistant|>\n").format(question=question, i=1)


@wrong("phi_prompt")
def as_an_old_article_writes_it(question, images):
    marks = "".join(f"<image_{i}>\n" for i in range(1, images + 1))
    return f"<|user|>\n{marks}{question}<|end|>\n<|assistant|>\n"


@wrong("embeddings_fit")
def only_the_sum(shape, grids, hidden, merge):
    return shape[-1] == hidden and shape[0] == sum(t * h * w for t, h, w in grids) / merge**2


@wrong("embeddings_fit")
def forgets_to_merge(shape, grids, hidden, merge):
    return len(shape) == 2 and shape[1] == hidden and shape[0] == sum(t * h * w for t, h, w in grids)


@wrong("embeddings_fit")
def only_the_first_picture(shape, grids, hidden, merge):
    t, h, w = grids[0]
    return len(shape) == 2 and shape == (t * h * w // merge**2, hidden) and h % merge == 0 and w % merge == 0


# --- 05_pipeline --------------------------------------------------------------------------------------------


@wrong("safe_map")
def leaves_errors_out(function, inputs):
    results = []
    for each in inputs:
        with contextlib.suppress(Exception):
            results.append(function(each))
    return results


@wrong("safe_map")
def puts_none_in_their_place(function, inputs):
    results = []
    for each in inputs:
        try:
            results.append(function(each))
        except Exception:
            results.append(None)
    return results


@wrong("safe_map")
def catches_one_kind(function, inputs):
    results = []
    for each in inputs:
        try:
            results.append(function(each))
        except ZeroDivisionError as error:
            results.append(error)
    return results


@wrong("room_left")
def lets_a_full_row_pass(context, text, pictures):
    left = context - text - sum(max(1, round(h / 28)) * max(1, round(w / 28)) for h, w in pictures)
    if left < 0:
        raise ValueError
    return left


@wrong("room_left")
def truncates_in_silence(context, text, pictures):
    return max(0, context - text - sum(round(h / 28) * round(w / 28) for h, w in pictures))


@wrong("room_left")
def counts_whole_tiles_only(context, text, pictures):
    left = context - text - sum((h // 28) * (w // 28) for h, w in pictures)
    if left < 1:
        raise ValueError
    return left


@wrong("pooled_mask")
def looks_at_the_first_frame_only(mask, step):
    return mask[:, ::step]


@wrong("pooled_mask")
def wants_all_frames_real(mask, step):
    whole = np.pad(mask, ((0, 0), (0, -mask.shape[1] % step)))
    return whole.reshape(len(mask), -1, step).all(axis=2)


@wrong("pooled_mask")
def drops_the_last_place(mask, step):
    width = mask.shape[1] // step * step
    return mask[:, :width].reshape(len(mask), -1, step).any(axis=2)


@wrong("down_mix")
def asks_for_exact_silence(channels):
    mean = channels.mean(axis=1)
    return mean, not mean.any()


@wrong("down_mix")
def takes_silence_for_cancelling(channels):
    mean = channels.mean(axis=1)
    return mean, bool(np.mean(mean**2) <= np.mean(channels**2) / 100)


@wrong("down_mix")
def takes_the_first_channel(channels):
    return channels[:, 0], False


# --- 08_register_a_model -------------------------------------------------------------------------------------


@wrong("expand_text")
def expands_what_is_expanded_already(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise ValueError
        for count in rows:
            prompt = prompt.replace(token, token * count, 1)
    return prompt


@wrong("expand_text")
def leaves_missing_items_alone(prompt, lengths):
    from mmkit.models.omni.processing import expand

    counts = {token: (rows + [1] * 9)[: prompt.count(token)] for token, rows in lengths.items()}
    return expand(prompt, counts)


@wrong("expand_text")
def gives_all_items_the_first_size(prompt, lengths):
    for token, rows in lengths.items():
        if prompt.count(token) != len(rows):
            raise ValueError
        prompt = prompt.replace(token, token * (rows or [1])[0])
    return prompt


@wrong("wrapped_clip")
def drops_a_begun_row(frames, begin, placeholder, end):
    rows = frames // 4
    return [begin] + [placeholder] * rows + [end], [False] + [True] * rows + [False]


@wrong("wrapped_clip")
def fills_the_marks_as_well(frames, begin, placeholder, end):
    tokens = [begin] + [placeholder] * -(-frames // 4) + [end]
    return tokens, [True] * len(tokens)


@wrong("wrapped_clip")
def leaves_the_marks_out(frames, begin, placeholder, end):
    rows = -(-frames // 4)
    return [placeholder] * rows, [True] * rows


@wrong("embed_clips")
def cuts_nothing(tower, mels, lengths):
    return list(tower(mels))


@wrong("embed_clips")
def cuts_the_rows_afterwards(tower, mels, lengths):
    return [rows[: int(frames) // 4] for rows, frames in zip(tower(mels), lengths, strict=True)]


@wrong("embed_clips")
def cuts_all_to_the_shortest(tower, mels, lengths):
    return list(tower(mels[:, :, : int(min(lengths))]))


# --- 10_ask_about_sound --------------------------------------------------------------------------------------


@wrong("word_error_rate")
def wer_of_letters(said, written):
    from torchaudio.functional import edit_distance

    return edit_distance(said, written) / max(1, len(said))


@wrong("word_error_rate")
def wer_by_position(said, written):
    a, b = said.split(), written.split()
    wrong = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
    return wrong / max(1, len(a))


@wrong("word_error_rate")
def wer_without_silence(said, written):
    from torchaudio.functional import edit_distance

    if not said:
        return 0.0
    return edit_distance(said.split(), written.split()) / len(said.split())


@wrong("windows")
def windows_with_a_last_one_too_many(seconds, window, overlap):
    starts = range(0, seconds, window - overlap)
    return [(start, min(start + window, seconds)) for start in starts]


@wrong("windows")
def windows_that_run_over(seconds, window, overlap):
    found, start = [(0, window)], 0
    while found[-1][1] < seconds:
        start += window - overlap
        found.append((start, start + window))
    return found


@wrong("worth_asking")
def worth_by_peak(wave, rate):
    return bool((abs(wave) > 10 ** (-45 / 20)).sum() >= 5)


@wrong("worth_asking")
def worth_by_mean_level(wave, rate):
    return bool(np.sqrt(np.mean(np.square(wave))) > 10 ** (-45 / 20))


@wrong("worth_asking")
def worth_with_the_power_scale(wave, rate):
    step = rate // 50
    moments = wave[: len(wave) // step * step].reshape(-1, step).astype(float)
    return bool((np.sqrt((moments**2).mean(axis=1)) > 10 ** (-45 / 10)).sum() >= 5)


@wrong("whisper_prompt")
def prompt_with_spaces(language, task, timestamps):
    return f"<|startoftranscript|> <|{language}|> <|{task}|>" + ("" if timestamps else " <|notimestamps|>")


@wrong("whisper_prompt")
def prompt_with_the_flag_turned(language, task, timestamps):
    return f"<|startoftranscript|><|{language}|><|{task}|>" + ("<|notimestamps|>" if timestamps else "")
