"""tiny-whisper: Whisper's architecture at 1.2 million parameters, an encoder-decoder that only transcribes.

    make_tokenizer -> make_model, make_processor -> (training) -> save -> a folder that transformers and vLLM load

    log-mel (80, 500) -> encoder: 2 convolutions, 4 layers -> 250 vectors -> cross-attention of 2 decoder layers
    <|startoftranscript|><|en|><|transcribe|><|notimestamps|> -> "three one four"

Follows transformers' Whisper classes. The window is 5 s instead of 30 s. The chat template renders the decoder's
prompt and ignores what is asked, so that chat interfaces work too. Leaves out timestamps, translation, languages
other than English, and the training itself (train.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from mmkit.zoo.audio.qwen2_audio import sinusoids
from mmkit.zoo.worlds.speech import COMMANDS, DIGITS, MAX_SECONDS

END = "<|endoftext|>"
PROMPT = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
SPECIAL = (
    *(END, "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>"),
    *("<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
)
MAX_TOKENS = 64  # of prompt and answer together


def make_tokenizer() -> Any:
    """A WhisperTokenizer whose vocabulary is all bytes, this world's words and Whisper's control tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizer

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    words = [*DIGITS, *COMMANDS]
    bpe.train_from_iterator([*words, *(f" {word}" for word in words)] * 20, trainer)
    model = json.loads(bpe.to_str())["model"]
    return WhisperTokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        pad_token=END,
        extra_special_tokens=list(SPECIAL[1:]),
        language="en",
        task="transcribe",
    )


def make_model(tokenizer: Any, seed: int = 0) -> Any:
    """A WhisperForConditionalGeneration with random weights."""
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=128,
        encoder_layers=4,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,  # of 32 values: the smallest that vLLM's CPU attention takes
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        max_source_positions=int(50 * MAX_SECONDS),
        max_target_positions=MAX_TOKENS,
        init_std=0.05,
        pad_token_id=ids[END],
        bos_token_id=ids[END],
        eos_token_id=ids[END],
        decoder_start_token_id=ids[PROMPT[0]],
    )
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config)
    table = model.model.encoder.embed_positions.weight
    table.data.copy_(sinusoids(*table.shape))
    table.requires_grad_(True)  # unlike the published models: the decoder learns the order of the words from it
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids[PROMPT[0]],
        eos_token_id=ids[END],
        pad_token_id=ids[END],
        max_length=MAX_TOKENS,
        begin_suppress_tokens=[],  # an empty transcript must be possible: silence
        is_multilingual=True,
        lang_to_id={"<|en|>": ids["<|en|>"]},
        task_to_id={task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        language="en",
        task="transcribe",
    )
    return model


def make_processor(tokenizer: Any) -> Any:
    """The processor: Whisper's log-mel of 5 s windows; the chat template is the decoder's prompt."""
    from transformers import WhisperFeatureExtractor, WhisperProcessor

    tokenizer.chat_template = "".join(PROMPT)
    return WhisperProcessor(WhisperFeatureExtractor(feature_size=80, chunk_length=int(MAX_SECONDS)), tokenizer)


def save(model: Any, processor: Any, folder: str | Path) -> None:
    """Write a folder that transformers and vLLM both load."""
    folder = Path(folder)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
