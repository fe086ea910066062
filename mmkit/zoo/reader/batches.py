"""Batches for training and measuring tiny-reader: pictures of one size, questions, and where every letter is.

    BatchGenerator.make("label" | "receipt") -> Batch (patches, letters in cells, packed conversations, questions)

A token of the model covers 4 x 2 cells of 5 x 10 pixels; each cell knows which letter covers it, the letter's place
in its row and the row: that is what training teaches the vision tower first.
Leaves out the losses (train.py) and the counting of right answers (evaluate.py).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmkit.zoo.packing import Packed, Placeholder, Row, pack
from mmkit.zoo.reader.model import PATCH, PIXELS, QUESTIONS, SIDE
from mmkit.zoo.vision.conversation import Writer, rows_about
from mmkit.zoo.vision.forward import cut
from mmkit.zoo.worlds import labels, receipts
from mmkit.zoo.worlds.pages import Page, draw_page, glyph_map
from mmkit.zoo.worlds.shapes import Question

CELLS = 2, 4  # rows and columns of cells in a token
LETTERS = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz£€"
LETTER_CLASS = {letter: 1 + i for i, letter in enumerate(LETTERS)}
COLUMNS, ROWS = 34, 6  # places in a row, rows of a page


@dataclass(frozen=True)
class Batch:
    """N pictures of one size.  cells: (N, tokens, cells, 3) int64, class of letter (0 for none), column, row."""

    patches: Tensor  # (N, gh * gw, 3 * 10 * 10)
    grid: tuple[int, int]  # of patches
    cells: Tensor
    packed: Packed | None
    questions: list[list[list[Question]]]  # [row][branch][turn]


def label_grid(rng: random.Random, largest: int = 90) -> tuple[int, int]:
    """Tokens (rows, columns) of a picture with a label, small ones more often."""
    aspect = labels.sample_aspect(rng)
    tokens = 30 * (largest / 30) ** (rng.random() ** 1.5)
    return fit_grid(aspect, tokens)


def receipt_grid(rng: random.Random) -> tuple[int, int]:
    """Tokens (rows, columns) of a picture with a receipt."""
    return fit_grid(math.exp(rng.uniform(math.log(0.65), math.log(2.2))), rng.uniform(48, 110))


def fit_grid(aspect: float, tokens: float) -> tuple[int, int]:
    """The grid nearest to an aspect (width by height) and a number of tokens that the model's limits allow.

    >>> fit_grid(4.0, 40)
    (3, 13)
    """
    most = PIXELS[1] // SIDE**2
    least = PIXELS[0] // SIDE**2
    rows, columns = max(1, round(math.sqrt(tokens / aspect))), max(1, round(math.sqrt(tokens * aspect)))
    while rows * columns < least:
        rows, columns = (rows, columns + 1) if columns / rows <= aspect else (rows + 1, columns)
    while rows * columns > most:
        rows, columns = (rows, columns - 1) if columns / rows > aspect else (rows - 1, columns)
    return rows, columns


def cells_of(pages: Sequence[Page]) -> Tensor:
    """What each cell of each token knows: (N, tokens, cells, 3), see Batch."""
    rows, columns = CELLS
    all_cells = []
    for page in pages:
        covered, letters = glyph_map(page, SIDE / columns, SIDE / rows)
        table = np.array(
            [[LETTER_CLASS[c], min(column, COLUMNS - 1), min(row, ROWS - 1)] for c, row, column in letters]
            + [[0, 0, 0]]
        )
        gh, gw = covered.shape[0] // rows, covered.shape[1] // columns
        known = table[covered].reshape(gh, rows, gw, columns, 3).swapaxes(1, 2)
        all_cells.append(known.reshape(gh * gw, rows * columns, 3))
    return torch.from_numpy(np.stack(all_cells))


class BatchGenerator:
    """An endless source of batches.

    tokens: about how many tokens all pictures of a batch have together.  variety: share of batches in other words
    and with system prompts.  held_out: typefaces and texts that training never draws.  easy: share of easy labels.
    small: share of labels in the smallest letters, which are the hardest.
    """

    def __init__(
        self,
        writer: Writer,
        rng: random.Random,
        noise: np.random.Generator,
        tokens: int = 1600,
        variety: float = 0.5,
        held_out: bool = False,
        easy: float = 0.0,
        small: float = 0.0,
    ):
        self.writer, self.rng, self.noise = writer, rng, noise
        self.tokens, self.variety, self.held_out = tokens, variety, held_out
        self.easy, self.small = easy, small

    def make(self, kind: str, answers: bool = True) -> Batch:
        """One batch; kind: "label" or "receipt", or one of wording.KINDS for labels of that kind alone.

        answers: with conversations, or pictures and cells only.
        """
        rng = self.rng
        gh, gw = receipt_grid(rng) if kind == "receipt" else label_grid(rng)
        size = gw * SIDE, gh * SIDE
        plain = rng.random() > self.variety
        pages: list[Page] = []
        asked: list[list[Question]] = []
        for _ in range(max(2, self.tokens // (gh * gw))):
            if kind == "receipt":
                receipt = receipts.sample_receipt(rng, *size, self.held_out)
                pages.append(receipt.page)
                fields = rng.sample(receipt.fields, min(4, len(receipt.fields)))
                asked.append([receipts.ask(rng, field, 0 if plain else None) for field in fields])
            else:
                wanted = None if kind == "label" else kind
                label = labels.sample_label(rng, *size, wanted, self.held_out, self.easy, self.small)
                pages.append(label.page)
                question = QUESTIONS[0] if plain or rng.random() < 0.3 else rng.choice(QUESTIONS)
                asked.append([Question(label.kind, question, label.text)])
        pictures = np.stack([draw_page(page, self.noise) for page in pages])
        patches, grid = cut(torch.from_numpy(pictures).permute(0, 3, 1, 2), 1, PATCH)
        if not answers:
            return Batch(patches, grid, cells_of(pages), None, [])
        placeholder = Placeholder((1, gh, gw), self.writer.image_token)
        text_first, system_share = not plain and rng.random() < 0.15, 0.9 if rng.random() < 0.12 else 0.0
        rows: list[Row] = []
        questions: list[list[list[Question]]] = []
        for item, about in enumerate(asked):
            new_rows, new_questions = rows_about(
                rng, self.writer, about, [placeholder], [item],
                text_first=text_first, plain=plain, system_share=system_share, reworded=0.15,
            )  # fmt: skip
            rows += new_rows
            questions += new_questions
        return Batch(patches, grid, cells_of(pages), pack(rows), questions)
