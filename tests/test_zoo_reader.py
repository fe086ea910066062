"""tiny-reader around the weights: what is printed, where each letter is, batches, and the start from tiny-qwen2-vl.

Oracles: the drawn pixels for the places of letters, transformers' processor and forward, and tiny-qwen2-vl itself.
Typefaces: DejaVu and STIX, which matplotlib brings, so that no font package is needed here.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import shipped
from mmkit.errors import BackendMissing
from mmkit.zoo.packing import Placeholder, attend, pack
from mmkit.zoo.reader import batches
from mmkit.zoo.reader.model import (
    MERGES,
    PATCH,
    PIXELS,
    SIDE,
    build_model,
    build_processor,
    build_tokenizer,
    phrases,
)
from mmkit.zoo.reader.train import ReaderConfig, ReaderTask
from mmkit.zoo.vision.conversation import Writer, rows_about
from mmkit.zoo.vision.forward import QwenForward, cut
from mmkit.zoo.worlds import fonts, labels, receipts, wording
from mmkit.zoo.worlds.fonts import Face
from mmkit.zoo.worlds.pages import CAP, Line, Page, draw_page, glyph_map, text_width
from mmkit.zoo.worlds.shapes import Background, Question

FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
NAMES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral")
FACES = {name: (Face(name, "regular", str(FOLDER / f"{name}.ttf"), 0),) for name in NAMES}
SANS = FACES["DejaVuSans"][0]
WHITE = Background((255, 255, 255), (255, 255, 255))
GRADED = ["x", "Tea", "$4.20", "12.05.2026", "Anna Berg", "NO SMOKING 24/7", "€3.50 £2", "(a) b's #1"]


@pytest.fixture(autouse=True)
def few_faces(monkeypatch):
    monkeypatch.setattr(labels, "faces", lambda held_out: FACES)


@pytest.fixture(scope="module")
def processor():
    return build_processor(build_tokenizer())


@pytest.fixture(scope="module")
def model(processor):
    return build_model(processor.tokenizer, seed=1)


# --------------------------------------------------------------------------------------------------- typefaces


def test_no_reserved_typeface_is_known():
    families = {family for group in fonts.PACKAGES.values() for family in group}
    for reserved in ("lato", "cantarell", "inconsolata", "carlito"):
        assert not any(reserved in name.lower() for name in families | set(fonts.PACKAGES))


def test_held_out_packages_are_packages_of_many():
    assert set(fonts.HELD_OUT) < set(fonts.PACKAGES)
    assert 10 <= len(fonts.HELD_OUT) <= len(fonts.PACKAGES) / 5


def test_missing_typefaces_name_their_packages(monkeypatch):
    monkeypatch.setattr(fonts, "_installed", lambda: {"Go": (SANS,)})
    fonts.faces.cache_clear()
    with pytest.raises(BackendMissing, match=r"apt-get install .*fonts-3270 .*fonts-yrsa-rasa"):
        fonts.faces(False)
    with pytest.raises(BackendMissing, match="fonts-cabin"):
        fonts.faces(True)


def test_without_fontconfig_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BackendMissing, match="apt-get install fontconfig"):
        fonts._installed.__wrapped__()


# ----------------------------------------------------------------------------------------------------- wording


@pytest.mark.parametrize("kind", wording.KINDS)
def test_texts_are_short_printable_and_split_by_what_is_held_out(kind):
    rng = random.Random(kind)
    drawn = {held: {wording.sample_text(rng, kind, held) for _ in range(200)} for held in (False, True)}
    assert not {text.lower() for text in drawn[False]} & {text.lower() for text in drawn[True]}
    for text in drawn[False] | drawn[True]:
        assert 1 <= len(text) <= 32
        assert set(text) <= set(batches.LETTERS)
        assert text == " ".join(text.split())


def test_about_one_text_in_eight_is_held_out():
    rng = random.Random(0)
    held = [wording.is_held_out(wording.sample_words(rng, 2)) for _ in range(4000)]
    assert 0.11 < np.mean(held) < 0.14  # 1 / 8, +- three standard deviations


def test_prices_dates_and_names_look_like_some():
    rng = random.Random(1)
    assert all(re.search(r"\d", wording.sample_price(rng)) for _ in range(300))
    assert all(re.search(r"\d", wording.sample_date(rng)) for _ in range(300))
    assert all(re.match(r"[A-Z]", wording.sample_name(rng)) for _ in range(300))


# ------------------------------------------------------------------------------------------------------- pages


def page_of(text: str, angle: float = 0.0, size: float = 30.0) -> Page:
    width = round(text_width(text, SANS) * size) + 60
    return Page(width, 120, (Line(text, 30, 70, size, SANS),), (0, 0, 0), WHITE, angle)


@pytest.mark.parametrize("angle", [0.0, 6.0, -8.0])
@pytest.mark.parametrize("text", GRADED)
def test_letters_are_where_the_map_says(text, angle):
    """All ink lies on cells of letters, and each letter but the space has ink on its cells."""
    page = page_of(text, angle)
    ink = draw_page(page, np.random.default_rng(0))[:, :, 0] < 100
    covered, known = glyph_map(page, 1.0, 1.0)
    assert covered.shape == ink.shape
    assert [letter for letter, _, _ in known] == list(text)
    assert [place for _, _, place in known] == list(range(len(text)))
    assert (ink & (covered < 0)).sum() <= 0.02 * ink.sum()  # a slanted foot may reach over its letter's width
    for number, (letter, _, _) in enumerate(known):
        share = ink[covered == number].mean()
        assert share < 0.02 if letter == " " else share > 0.02, letter


@pytest.mark.parametrize("angle", [3.0, -3.0])
def test_a_turn_against_the_clock_lifts_the_right_end(angle):
    ink = draw_page(page_of("HHHHHHHHHHHH", angle), np.random.default_rng(0))[:, :, 0] < 100
    third = ink.shape[1] // 3
    left, right = (np.nonzero(part)[0].mean() for part in (ink[:, :third], ink[:, -third:]))
    assert (right < left) == (angle > 0)


def test_wear_changes_the_picture_and_not_its_size():
    plain = page_of("Honey cake")
    for worn in (
        replace(plain, blur=1.5),
        replace(plain, quality=30),
        replace(plain, scale=2.0),
        replace(plain, frame=2.0),
        replace(plain, card=((255, 220, 0), (20, 30, 200, 90))),
    ):
        drawn = draw_page(worn, np.random.default_rng(0))
        assert drawn.shape == (120, plain.width, 3)
        assert (drawn != draw_page(plain, np.random.default_rng(0))).any()


def letter_width(page):
    return sum(line.width for line in page.lines) / sum(len(line.text) for line in page.lines)


@pytest.mark.parametrize("small", [0.0, 1.0])
def test_labels_can_be_read_and_lie_within_the_picture(small):
    rng = random.Random(2)
    for _ in range(300):
        gh, gw = batches.label_grid(rng)
        label = labels.sample_label(rng, gw * SIDE, gh * SIDE, small=small)
        assert " ".join(line.text for line in label.page.lines) == label.text
        assert letter_width(label.page) >= labels.SMALLEST - 1e-6
        if not label.page.angle:
            for line in label.page.lines:
                assert line.x >= -1
                assert line.x + line.width <= label.page.width + 1
                assert line.y - CAP * line.size >= -1
                assert line.y <= label.page.height


def test_small_letters_are_near_the_smallest_that_can_be_read():
    rng = random.Random(2)
    widths = [letter_width(labels.sample_label(rng, 15 * SIDE, 3 * SIDE, small=1.0).page) for _ in range(100)]
    assert np.median(widths) < 1.25 * labels.SMALLEST
    assert max(widths) < 2 * labels.SMALLEST  # a wide typeface at the least height


def test_receipts_print_each_field_once_on_a_row_of_its_own():
    rng = random.Random(3)
    for _ in range(200):
        gh, gw = batches.receipt_grid(rng)
        receipt = receipts.sample_receipt(rng, gw * SIDE, gh * SIDE)
        assert 2 <= len({line.row for line in receipt.page.lines}) <= receipts.MOST_ROWS
        printed = {line.row: [] for line in receipt.page.lines}
        for line in receipt.page.lines:
            printed[line.row].append(line.text)
        for field in receipt.fields:
            rows = [row for row in printed.values() if row[0].rstrip(":") == field.label and row[-1] == field.value]
            assert len(rows) == 1
        labels_asked = [field.label.lower() for field in receipt.fields]
        assert len(set(labels_asked)) == len(labels_asked)


def test_fields_are_asked_by_their_label():
    rng = random.Random(4)
    item, total = receipts.Field("item", "Green tea", "2.40"), receipts.Field("label", "Total", "10.90")
    assert receipts.ask(rng, item, 0) == Question("receipt field", "What does the green tea cost?", "2.40")
    assert receipts.ask(rng, total, 0) == Question("receipt field", "What is the total?", "10.90")
    assert {receipts.ask(rng, total).text for _ in range(50)} == {"What is the total?", "What is the Total?"}


# ------------------------------------------------------------------------------------- tokenizer and processor


@pytest.mark.parametrize("line", ["", *GRADED, "What does the text say?", "画里有什么？", "🙂 é"])
def test_the_tokenizer_brings_any_text_back(processor, line):
    assert processor.tokenizer.decode(processor.tokenizer(line)["input_ids"]) == line


def test_every_letter_and_every_phrase_is_one_token(processor):
    for piece in (*batches.LETTERS, *phrases()):
        assert len(processor.tokenizer(piece)["input_ids"]) == 1, piece
    assert len(MERGES) == 3  # for pound and euro alone: all else is spelled
    assert len(processor.tokenizer.tokenize("What does the green tea cost?")) == len("green tea") + 2


def test_a_grid_that_is_drawn_is_a_grid_that_the_processor_keeps(processor):
    rng = random.Random(5)
    grids = {batches.label_grid(rng) for _ in range(300)} | {batches.receipt_grid(rng) for _ in range(300)}
    assert len(grids) > 60
    for gh, gw in sorted(grids)[::7]:
        assert PIXELS[0] <= gh * gw * SIDE**2 <= PIXELS[1]
        seen = processor.image_processor([Image.new("RGB", (gw * SIDE, gh * SIDE))], return_tensors="pt")
        assert seen["image_grid_thw"].tolist() == [[1, 2 * gh, 2 * gw]]


def test_patches_equal_the_processor(processor):
    picture = np.random.default_rng(0).integers(0, 256, (6 * SIDE, 11 * SIDE, 3), dtype=np.uint8)
    theirs = processor.image_processor([Image.fromarray(picture)], return_tensors="pt")["pixel_values"]
    ours, grid = cut(torch.from_numpy(picture).permute(2, 0, 1)[None], 1, PATCH)
    assert grid == (12, 22)
    once = theirs.view(-1, 3, 2, PATCH, PATCH)[:, :, 0].reshape(-1, 3 * PATCH**2)
    torch.testing.assert_close(ours[0], once, rtol=0, atol=1e-5)


# ----------------------------------------------------------------------------------------- model and training


def test_the_packed_forward_equals_transformers(model, processor):
    rng = random.Random(6)
    label = labels.sample_label(rng, 9 * SIDE, 4 * SIDE)
    picture = draw_page(label.page, np.random.default_rng(6))
    patches, (gh, gw) = cut(torch.from_numpy(picture).permute(2, 0, 1)[None], 1, PATCH)
    writer, forward = Writer(processor.tokenizer), QwenForward(model)
    questions = [Question(label.kind, "What does the text say?", label.text)]
    rows, _ = rows_about(rng, writer, questions, [Placeholder((1, gh // 2, gw // 2), writer.image_token)], [0],
                         plain=True)  # fmt: skip
    packed = pack(rows)
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What does the text say?"}]},
        {"role": "assistant", "content": label.text},
    ]
    prompt = processor.apply_chat_template(messages, tokenize=False)
    inputs = processor(text=[prompt], images=[Image.fromarray(picture)], return_tensors="pt")
    length = packed.ids.shape[1]
    assert packed.ids[0].tolist() == inputs["input_ids"][0, :length].tolist()
    with torch.no_grad():
        ours, oracle = forward(list(forward.vision(patches, (gh, gw))), packed), model(**inputs).logits[0]
    torch.testing.assert_close(ours, oracle[packed.queries], rtol=0, atol=1e-4)  # float32: two orders of sums


def test_it_starts_from_tiny_qwen2_vl(model, processor):
    from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration

    folder = shipped.resolve("tiny-qwen2-vl")
    eye = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    row = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("7")
    token = processor.tokenizer.convert_tokens_to_ids("7")
    assert torch.equal(model.get_input_embeddings().weight[token], eye.get_input_embeddings().weight[row])
    # A gray patch looks nearly the same at both sizes: a resized filter sums to its old sum, up to its edges.
    gray = [net.model.visual.patch_embed.proj.weight.sum((1, 2, 3, 4)) for net in (eye, model)]
    assert torch.corrcoef(torch.stack(gray))[0, 1] > 0.95
    x = torch.randn(1, 8, 128)
    last = model.model.visual.blocks[-1]
    assert not last.attn.proj.weight.any()
    assert not last.mlp(x).any()


def test_attention_written_out_equals_the_fused_one():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 30, 32)
    mask = torch.ones(30, 30, dtype=torch.bool).tril()
    for allowed in (None, mask):
        fused = attend(q, k, v, allowed)
        with torch.autocast("cpu", torch.bfloat16):
            written = attend(q, k, v, allowed)
        # bfloat16 keeps 8 bits: half a percent of values up to about 3
        torch.testing.assert_close(written.float(), fused, rtol=0, atol=0.03)


@pytest.mark.parametrize("kind", ["label", "receipt", "price"])
def test_every_kind_of_batch_can_be_made_and_learned(kind):
    task = ReaderTask(ReaderConfig(tokens=240))
    source = batches.BatchGenerator(task.writer, random.Random(0), np.random.default_rng(0), 240, variety=1.0)
    batch = source.make(kind)
    loss, shown = task.loss(batch, 0.5)
    loss.backward()
    assert 0 < shown["answer"] < 20
    assert 0 <= shown["letters"] <= 1
    assert all(turns for row in batch.questions for turns in row)
    images, tokens, cells = batch.cells.shape[:3]
    assert (images, tokens * 4, cells) == (*batch.patches.shape[:2], 8)
    assert batch.cells[..., 0].amax() < len(batches.LETTERS) + 1


def test_a_reader_that_goes_on_answers_from_the_first_step():
    task = ReaderTask(ReaderConfig(tokens=120))
    assert task.batch(0).packed is None
    task.start(Path(shipped.resolve("tiny-reader")))
    assert task.batch(0).packed is not None


def test_cells_know_their_letters():
    """A word across tokens: reading the cells of its middle from left to right spells it."""
    page = replace(page_of("HONEY", size=40), width=200, lines=(Line("HONEY", 20, 70, 40, SANS),))
    known = batches.cells_of([page])[0].view(6, 10, 2, 4, 3).swapaxes(1, 2).reshape(12, 40, 3)
    row = known[5, :, 0].tolist()  # the cells from y = 50 to 60, in the middle of the letters
    seen = [n for n, before in zip(row, [0, *row], strict=False) if n and n != before]
    assert "".join(batches.LETTERS[n - 1] for n in seen) == "HONEY"
