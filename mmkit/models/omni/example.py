"""A random model of this architecture in a folder: small, quick to make, and able to do nothing.

    python -m mmkit.models.omni.example DIR

Good for tests of parity and for a first start of vLLM. Its numbers are large enough that a mistake in either
side changes what it says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .configuration import OmniConfig
from .modeling import OmniForConditionalGeneration
from .plugin import register_transformers
from .processing import OmniProcessor

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image|>", "<|audio|>")


def make_tokenizer(lines: list[str], size: int = 400) -> Any:
    """Byte-level BPE learnt from lines of text, with the model's control tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False
    )
    bpe.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={"image_token": "<|image|>", "audio_token": "<|audio|>"},
    )


def make_processor(tokenizer: Any, config: OmniConfig) -> OmniProcessor:
    """The processor that fits a config."""
    from transformers import SiglipImageProcessor, WhisperFeatureExtractor

    pictures = SiglipImageProcessor(
        size={"height": config.image_size, "width": config.image_size},
        image_mean=[0.48145466, 0.4578275, 0.40821073],  # CLIP's
        image_std=[0.26862954, 0.26130258, 0.27577711],
    )
    seconds = config.max_audio_frames // 100  # of 10 ms
    clips = WhisperFeatureExtractor(feature_size=config.n_mels, chunk_length=seconds)
    return OmniProcessor(
        pictures, clips, tokenizer, image_tokens=config.image_tokens, frames_per_token=config.frames_per_token
    )


def make_config(tokenizer: Any, **numbers: Any) -> OmniConfig:
    """A config for this tokenizer; numbers: fields of OmniConfig that should differ."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2,  # of 32 values: the smallest that vLLM takes on a CPU
        "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
        "bos_token_id": ids["<|endoftext|>"], "pad_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"], "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0},
    }  # fmt: skip
    text |= numbers.pop("text_config", {})
    return OmniConfig(
        text_config=text,
        image_token_id=ids["<|image|>"],
        audio_token_id=ids["<|audio|>"],
        architectures=["OmniForConditionalGeneration"],
        **{"tie_word_embeddings": True, **numbers},
    )


def make_model(config: OmniConfig, seed: int = 0, scale: float = 0.2) -> OmniForConditionalGeneration:
    """A random model.  scale: deviation of its weights; at the usual 0.02 it would repeat one token for ever."""
    torch.manual_seed(seed)
    model = OmniForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=scale)
    eos = config.text_config.eos_token_id
    model.generation_config.update(eos_token_id=eos, pad_token_id=config.text_config.pad_token_id)
    return model


def save(model: OmniForConditionalGeneration, processor: OmniProcessor, folder: str | Path) -> None:
    """Write a folder that transformers and vLLM both load, readable by everybody."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    for path in Path(folder).iterdir():
        path.chmod(0o644)


def make_example(folder: str | Path, seed: int = 0) -> None:
    """A random model in a folder."""
    register_transformers()
    words = "what is it ? a picture and a clip : yes no left right one two three the sound of colour shape"
    tokenizer = make_tokenizer([words] * 20)
    config = make_config(tokenizer, image_layers=2, audio_layers=2)
    save(make_model(config, seed), make_processor(tokenizer, config), folder)


if __name__ == "__main__":
    make_example(sys.argv[1])
