"""tiny-clip: a genuine CLIPModel of one million parameters, and all around it.

    train_tokenizer -> build_processor -> build_model -> save: a directory that transformers and vLLM load

Follows CLIP (Radford et al., 2021): two towers, one for pictures and one for captions, each of which ends in a
vector of the same length; lower-cased byte-level BPE; the picture's vector is read at the class token, the
caption's at its end-of-text token.
vLLM's pooling runner asks for more: the text tower is no wider than the shared space, and token 0 is no special
one (it stands for a picture), so the special tokens come last, as in the published models.
Leaves out training (train.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmkit.zoo.clip.batches import WORDINGS
from mmkit.zoo.worlds import shapes

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPProcessor, PreTrainedTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"
SIDE, PATCH = 112, 14  # pixels
LONGEST = 48  # tokens of a caption, START and END included


def training_text() -> Iterator[str]:
    """Captions in all wordings: food for the tokenizer."""
    rng = random.Random(1)
    for _ in range(3000):
        yield rng.choice(WORDINGS).format(shapes.caption(shapes.sample_scene(rng)))


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Lower-cased byte-level BPE over the world's words, START and END put around each caption."""
    from tokenizers import (
        AddedToken,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    tokenizer.add_special_tokens([AddedToken(START, special=True), AddedToken(END, special=True)])
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=END, model_max_length=LONGEST
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> CLIPProcessor:
    """transformers' CLIP processor with our tokenizer: shortest side to 112, center crop, CLIP's mean and std."""
    from transformers import CLIPImageProcessor, CLIPProcessor

    image_processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, resample=3, do_convert_rgb=True
    )
    return CLIPProcessor(image_processor=image_processor, tokenizer=tokenizer)


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> CLIPModel:
    """An untrained model: picture tower of 4 layers, caption tower of 3, both 128 wide, as is the shared space."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4, "projection_dim": 128}
    token_id = tokenizer.convert_tokens_to_ids
    config = CLIPConfig(
        text_config={
            **tower, "num_hidden_layers": 3, "vocab_size": len(tokenizer), "max_position_embeddings": LONGEST,
            "bos_token_id": token_id(START), "eos_token_id": token_id(END), "pad_token_id": token_id(END),
        },
        vision_config={**tower, "num_hidden_layers": 4, "image_size": SIDE, "patch_size": PATCH},
        projection_dim=128,
    )  # fmt: skip
    torch.manual_seed(seed)
    return CLIPModel(config).eval()


def save(model: CLIPModel, processor: CLIPProcessor, directory: Path) -> None:
    """Write weights (float32 safetensors), configuration, processor and tokenizer, readable."""
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    for file in Path(directory).iterdir():
        file.chmod(0o644)
