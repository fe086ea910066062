"""tiny-qwen2-audio: Qwen2-Audio's architecture at 1.2 million parameters.

    make_tokenizer -> make_model, make_processor -> (training) -> save -> a folder that transformers and vLLM load

    log-mel (80, 3000) -> encoder: 2 convolutions, 4 layers, mean of pairs -> 25 vectors a second -> projector
    -> in place of <|AUDIO|> in the prompt -> 2 decoder layers -> answer

Follows transformers' Qwen2Audio classes; the chat template is the published model's. The window is 30 s, since
vLLM 0.32 fixes it at 3,000 frames. Leaves out the batched forward (forward.py) and the training (train.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmkit.zoo.worlds.speech import COMMANDS, DIGITS, QUESTIONS, SOUNDS

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
BEGIN_AUDIO, AUDIO, END_AUDIO = "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"
SPECIAL = (END, START, STOP, BEGIN_AUDIO, END_AUDIO, AUDIO)

SYSTEM = "You are a helpful assistant."  # what the chat template says where nobody else does
SYSTEMS = (
    SYSTEM,
    "You are a speech recognition model.",
    "Answer in a few words.",
    "You listen to short clips and answer questions about them.",
)


def corpus() -> Iterable[str]:
    """Every text that the world can ask or answer; the tokenizer's vocabulary is learned from it."""
    voices = [f"a {tempo} {height} voice says" for tempo in ("slow", "fast") for height in ("low", "high")]
    words = [*DIGITS, *COMMANDS]
    for _ in range(20):
        yield from (question for group in QUESTIONS.values() for question in group)
        yield from SYSTEMS
        yield from ("system\n", "user\n", "assistant\n", "Audio 1: ", "Audio 2: ", "\n")
        yield from words
        yield from (f"{first} {second}" for first in words for second in words[:3])
        yield from (f"{voice} {number} words" for voice in voices for number in DIGITS)
        yield from SOUNDS.values()
        yield from ("no speech", "one and two", "yes", "no")


def make_tokenizer() -> Any:
    """A byte-level BPE tokenizer of 512 entries: any text can be written, this world's words are one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=STOP,
        pad_token=END,
        extra_special_tokens={
            "audio_token": AUDIO,
            "audio_bos_token": BEGIN_AUDIO,
            "audio_eos_token": END_AUDIO,
        },
    )


def sinusoids(length: int, channels: int, scale: float = 0.3) -> Tensor:
    """Whisper's position table, (length, channels): sines then cosines, wavelengths 2 pi to 20,000 pi.

    scale: below 1, since small weights start with small features, which the table must not drown.
    """
    half = channels // 2
    rates = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
    angles = torch.arange(length)[:, None] * rates
    return scale * torch.cat((angles.sin(), angles.cos()), dim=1)


def make_model(tokenizer: Any, seed: int = 0) -> Any:
    """A Qwen2AudioForConditionalGeneration with random weights."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    config = Qwen2AudioConfig(
        audio_config={
            "num_mel_bins": 80,
            "d_model": 128,
            "encoder_layers": 4,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 256,
            "max_source_positions": 1500,
            "initializer_range": 0.05,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,  # of 32 values: the smallest that vLLM's CPU attention takes
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "initializer_range": 0.05,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0},
            "bos_token_id": ids[END],
            "eos_token_id": ids[STOP],
            "pad_token_id": ids[END],
            "tie_word_embeddings": False,
        },
        audio_token_index=ids[AUDIO],
        tie_word_embeddings=False,  # pyright: ignore[reportCallIssue]
    )
    torch.manual_seed(seed)
    model = Qwen2AudioForConditionalGeneration(config)
    table = model.model.audio_tower.embed_positions.weight
    table.data.copy_(sinusoids(*table.shape))
    model.generation_config.eos_token_id = ids[STOP]
    model.generation_config.pad_token_id = ids[END]
    return model


def make_processor(tokenizer: Any) -> Any:
    """The processor: Whisper's log-mel of 30 s windows, and the published model's chat template."""
    from transformers import Qwen2AudioProcessor, WhisperFeatureExtractor

    return Qwen2AudioProcessor(WhisperFeatureExtractor(feature_size=80, chunk_length=30), tokenizer)


def save(model: Any, processor: Any, folder: str | Path) -> None:
    """Write a folder that transformers and vLLM both load.

    transformers 5.19 writes "language_model.model.model.", which vLLM does not know: renamed here to
    "language_model.model.", which both read.
    """
    from safetensors.torch import load_file, save_file

    folder = Path(folder)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    file = folder / "model.safetensors"
    weights = {
        name.replace("language_model.model.model.", "language_model.model."): tensor.clone()
        for name, tensor in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})
    for path in folder.iterdir():
        path.chmod(0o644)
