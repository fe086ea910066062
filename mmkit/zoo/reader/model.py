"""tiny-reader: tiny-qwen2-vl's architecture with smaller patches and a tokenizer that spells.

    build_tokenizer -> build_processor -> build_model -> save (vision/model.py): a folder that vLLM loads

An answer is spelled letter by letter, so that any text can be read; the fixed parts of a question are a token each.
A patch is 10 pixels wide, so that a token (2 x 2 patches) sees about two letters of small print.
An image is shown to the model at 12,000 to 44,000 pixels' worth (30 to 110 tokens), whatever its size.

What it reads: one text of up to four words and 32 letters on one to three lines (the answer joins them by spaces),
or two to six rows of label and value; dark on light or light on dark, turned by up to 8 degrees (a receipt: 2). As
the model sees it, a letter must be about 8 pixels wide: in a picture of 200 x 200, a text of twelve letters fills
half of the width. Crop a larger picture to its text first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mmkit import shipped
from mmkit.zoo.vision import model as vision
from mmkit.zoo.worlds import receipts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

PATCH = 10
SIDE = 2 * PATCH  # of a token, in pixels
PIXELS = 30 * SIDE**2, 110 * SIDE**2
TOWER = {"patch_size": PATCH, "depth": 4}
FILTERS = "model.visual.patch_embed.proj.weight"
QUESTIONS = (
    "What does the text say?", "What does it say?", "What does the label say?", "What does the image say?",
    "Read the text.", "Read the label.", "What is written?", "What text is in the image?", "What is the text?",
)  # fmt: skip
# pound and euro are two and three bytes: joined into a token each
MERGES = (("Â", "£"), ("â", "Ĥ"), ("âĤ", "¬"))


def phrases() -> list[str]:
    """What is one token: the questions, and the parts of a question for a field around its label.

    >>> phrases()[-3:]
    ['What is the ', 'What is the price of the ', ' cost?']
    """
    around = [part for texts in receipts.PHRASINGS.values() for text in texts for part in text.split("{label}")]
    parts = dict.fromkeys(part for part in around if len(part) > 1)
    return [*QUESTIONS, *sorted(parts, key=lambda part: (part.startswith(" "), part))]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte by byte, with a token for each of phrases(); any text can be encoded.

    The phrases are plain entries of the vocabulary, cut out before bytes are merged: tokens that are added to a
    tokenizer are spelled out where user text is kept from becoming control tokens.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    whole = [phrase.replace(" ", "Ġ") for phrase in phrases()]  # as ByteLevel writes a space
    entries = [*vision.SPECIAL_TOKENS, *alphabet, *("".join(pair) for pair in MERGES), *whole]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(MERGES), ignore_merges=True))
    longest_first = "|".join(re.escape(phrase) for phrase in sorted(phrases(), key=len, reverse=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(longest_first), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(vision.SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **vision.TOKEN_NAMES)


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen2VLProcessor:
    """transformers' Qwen2-VL processor with this model's sizes."""
    return vision.build_processor(tokenizer, PIXELS, PATCH)


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> Qwen2VLForConditionalGeneration:
    """A model that cannot read yet, but looks and answers as tiny-qwen2-vl does: it starts from its weights.

    The filters of 14 x 14 pixels are resized to 10 x 10, a fourth layer of the tower begins as doing nothing, and a
    letter or special token that both vocabularies have keeps its embedding.
    """
    import torch
    from torch.nn import functional as F
    from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration

    folder = shipped.resolve("tiny-qwen2-vl")
    old = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    known = AutoTokenizer.from_pretrained(folder).get_vocab()
    tower: dict[str, Any] = TOWER
    model = vision.build_model(tokenizer, seed, tower)
    weights = old.state_dict()
    filters = weights.pop(FILTERS)  # E 3 2 14 14
    resized = F.interpolate(filters.flatten(0, 1), (PATCH, PATCH), mode="bilinear", antialias=True)
    weights[FILTERS] = resized.view(*filters.shape[:3], PATCH, PATCH) * (filters.shape[-1] / PATCH) ** 2
    table = weights.pop("model.language_model.embed_tokens.weight")
    weights.pop("lm_head.weight", None)  # tied to the table
    model.load_state_dict(weights, strict=False)
    with torch.no_grad():
        rows: Any = model.get_input_embeddings().weight
        for token, row in tokenizer.get_vocab().items():
            if token in known:
                rows[row] = table[known[token]]
        blocks: Any = model.model.visual.blocks
        for block in blocks[len(old.model.visual.blocks) :]:
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.zero_()
                layer.bias.zero_()
    return model
