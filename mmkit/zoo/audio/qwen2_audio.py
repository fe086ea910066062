"""tiny-qwen2-audio: Qwen2-Audio's architecture at 1.2 million parameters.

    make_tokenizer -> make_model, make_processor -> (training) -> save -> a folder that transformers and vLLM load

    log-mel (80, 3000) -> encoder: 2 convolutions, 4 layers, mean of pairs -> 25 vectors a second -> projector
    -> in place of <|AUDIO|> in the prompt -> 2 decoder layers -> answer

Follows transformers' Qwen2Audio classes; the chat template is the published model's. The window is 30 s, since
vLLM 0.32 fixes it at 3,000 frames. `PackedForward` computes the same on short clips, in batches and with several
questions a clip: what training needs. Leaves out the training itself (train.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        tie_word_embeddings=False,
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


# Training: one clip is heard once and answers several questions, each of which sees the clip but not the others.


@dataclass(frozen=True)
class Row:
    """One clip's tokens.  The placeholder stands once in prefix; it is repeated for the clip's length.

    prefix: token ids up to the question.  branches: (question ids, answer ids), the answer ends with STOP.
    """

    prefix: tuple[int, ...]
    branches: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@dataclass(frozen=True)
class Packed:
    """Rows as tensors; B rows of L tokens, A tokens that are answers.

    ids, positions: (B, L).  visible: (B, 1, L, L) may the token of a row look at that of a column?
    place: (A,) index into B * L of the token that must predict;  target: (A,) what it must predict.
    branch: (A,) number of the branch of each target, counted over all rows.
    """

    ids: Tensor
    positions: Tensor
    visible: Tensor
    place: Tensor
    target: Tensor
    branch: Tensor


def pack(rows: Sequence[Row], audio_tokens: Sequence[int], audio_id: int) -> Packed:
    """Lay each row out as prefix, then its branches one after another, all starting at the same position."""
    laid, branch = [], 0
    for row, count in zip(rows, audio_tokens, strict=True):
        at = row.prefix.index(audio_id)
        prefix = [*row.prefix[:at], *[audio_id] * count, *row.prefix[at + 1 :]]
        ids, positions = prefix, list(range(len(prefix)))
        segment, target, owner = [0] * len(prefix), [-1] * len(prefix), [-1] * len(prefix)
        for k, (question, answer) in enumerate(row.branches):
            ids = [*ids, *question, *answer]
            size = len(question) + len(answer)
            positions += range(len(prefix), len(prefix) + size)
            segment += [k + 1] * size
            target += [-1] * (len(question) - 1) + [*answer, -1]
            owner += [branch] * size
            branch += 1
        laid.append((ids, positions, segment, target, owner))
    longest = max(len(ids) for ids, *_ in laid)

    def table(column: int, fill: int) -> Tensor:
        return torch.tensor([row[column] + [fill] * (longest - len(row[column])) for row in laid])

    segment, target, owner = table(2, -1), table(3, -1).flatten(), table(4, -1).flatten()
    mine, theirs = segment[:, :, None], segment[:, None, :]  # (B, L, 1), (B, 1, L)
    earlier = torch.ones(longest, longest, dtype=torch.bool).tril()
    visible = ((mine == theirs) | (theirs == 0)) & earlier
    place = (target >= 0).nonzero().squeeze(1)
    return Packed(table(0, 0), table(1, 0), visible[:, None], place, target[place], owner[place])


def audio_lengths(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of a clip -> length after the second convolution, and number of audio tokens.

    >>> audio_lengths(torch.tensor([100]))
    (tensor([50]), tensor([25]))
    """
    halved = (frames - 1) // 2 + 1
    return halved, (halved - 2) // 2 + 1


class PackedForward(nn.Module):
    """The forward of Qwen2AudioForConditionalGeneration on short features and packed rows.

    Uses the model's own parameters. Frames beyond a clip are masked in attention, so that cutting the 30 s
    window short changes nothing (at least 4 frames of silence must follow the longest clip).
    """

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def encode(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, n_mels, T), T a multiple of 4; frames: (B,) of them valid.

        Returns the encoder's states (B, T / 2, d) and the number of audio tokens (B,).
        """
        halved, tokens = audio_lengths(frames)
        valid = torch.arange(features.shape[2] // 2) < halved[:, None]
        return encoder_layers(self.model.model.audio_tower, features, valid[:, None, None, :]), tokens

    def project(self, states: Tensor) -> Tensor:
        """Means of pairs of states, normalised and projected: audio embeddings (B, T / 4, hidden)."""
        pooled = F.avg_pool1d(states.transpose(1, 2), 2).transpose(1, 2)
        return self.model.model.multi_modal_projector(self.model.model.audio_tower.layer_norm(pooled))

    def forward(self, heard: Tensor, tokens: Tensor, packed: Packed) -> Tensor:
        """heard: from `project`; tokens: from `encode`.  Returns logits (A, vocabulary) for packed.target."""
        embedded = self.model.model.language_model.embed_tokens(packed.ids)
        slots = (packed.ids == self.model.config.audio_token_id)[..., None]
        valid = torch.arange(heard.shape[1]) < tokens[:, None]
        x = embedded.masked_scatter(slots, heard[valid])
        x = decode(self.model.model.language_model, x, packed.positions, packed.visible)
        return self.model.lm_head(x.flatten(0, 1)[packed.place])


def decode(decoder: Any, x: Tensor, positions: Tensor, visible: Tensor) -> Tensor:
    """The layers of a Qwen2 decoder over embeddings x (B, L, hidden).

    positions: (B, L).  visible: (B, 1, L, L), may the token of a row look at that of a column?
    Returns the last hidden states (B, L, hidden).
    """
    cos, sin = (part[:, None] for part in decoder.rotary_emb(x, positions))
    for layer in decoder.layers:
        attention, y = layer.self_attn, layer.input_layernorm(x)
        q, k, v = (
            proj(y).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
            for proj in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = (z * cos + rotate_half(z) * sin for z in (q, k))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, enable_gqa=True)
        x = x + attention.o_proj(mixed.transpose(1, 2).flatten(2))
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    return decoder.norm(x)


def encoder_layers(tower: Any, features: Tensor, visible: Tensor | None = None) -> Tensor:
    """Convolutions, positions and layers of a Whisper-like encoder, for windows of any length.

    tower: transformers' Qwen2AudioEncoder or WhisperEncoder, whose own forward insists on the full window.
    features: (B, n_mels, T).  visible: mask that broadcasts to (B, heads, T / 2, T / 2).  Returns (B, T / 2, d).
    """
    x = F.gelu(tower.conv2(F.gelu(tower.conv1(features)))).transpose(1, 2)
    x = x + tower.embed_positions.weight[: x.shape[1]]
    for layer in tower.layers:
        attention, y = layer.self_attn, layer.self_attn_layer_norm(x)
        q, k, v = (
            split_heads(proj(y), attention.num_heads)
            for proj in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        x = x + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(x))))
    return x


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, L, heads * size) -> (B, heads, L, size)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def rotate_half(x: Tensor) -> Tensor:
    """(a, b) -> (-b, a), halves of the last axis: rotary position embedding's quarter turn."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)
