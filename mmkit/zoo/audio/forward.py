"""Batched forwards of tiny-qwen2-audio and tiny-whisper on short clips, equal to transformers' own.

    waves -> batch_log_mel -> encoder_layers -> Qwen2AudioForward: project, packed questions -> logits
                                             -> WhisperForward: cross-attention of the decoder -> logits
    clips with their truths -> judge -> is each greedy answer right?

transformers' encoders insist on the whole window of silence. Cutting it short changes nothing for Qwen2-Audio,
which masks what lies beyond a clip (at least 4 frames of silence must follow the longest); Whisper looks at the
silence, too, so its window stays whole. Several questions about one clip are packed (packing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmkit.zoo.audio import qwen2_audio, whisper
from mmkit.zoo.packing import Packed, Placeholder, Row, answer_logits, exact, pack
from mmkit.zoo.worlds.speech import QUESTIONS, Truth, answers

Heard = tuple[np.ndarray, Truth]  # a wave (T,) and what is in it
HOP = 160  # samples from one log-mel frame to the next


def batch_log_mel(
    waves: Sequence[np.ndarray], filters: Tensor, frames: int | None = None, curves: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """WhisperFeatureExtractor's log-mel of several waves, cut after the longest.

    filters: (201, n_mels).  frames: length of the result; None: the longest clip and at least 4 frames of
    silence, a multiple of 4.  curves: (B, n_mels), an equalizer in powers of ten, for training.
    Returns features (B, n_mels, frames) and how many frames each clip fills (B,).
    """
    filled = torch.tensor([-(-len(wave) // HOP) for wave in waves])
    if frames is None:
        frames = -(-(int(filled.max()) + 4) // 4) * 4
    padded = torch.zeros(len(waves), frames * HOP)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    spectrum = torch.stft(padded, 400, HOP, window=torch.hann_window(400), return_complex=True)
    power = filters.T @ spectrum[..., :-1].abs() ** 2  # B n_mels frames
    if curves is not None:
        power = power * 10 ** curves[:, :, None]
    log = power.clamp(min=1e-10).log10()
    log = torch.maximum(log, log.amax((1, 2), keepdim=True) - 8.0)
    return (log + 4.0) / 4.0, filled


def audio_lengths(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of a clip -> length after the second convolution, and number of audio tokens.

    >>> audio_lengths(torch.tensor([100]))
    (tensor([50]), tensor([25]))
    """
    halved = (frames - 1) // 2 + 1
    return halved, (halved - 2) // 2 + 1


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
            project(y).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)  # B heads L size
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        x = x + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(x))))
    return x


class Qwen2AudioForward:
    """tiny-qwen2-audio on short clips and packed questions, on the model's own parameters."""

    def __init__(self, model: Any, processor: Any):
        self.model, self.processor, self.tokenizer = model, processor, processor.tokenizer
        self.filters = torch.from_numpy(processor.feature_extractor.mel_filters).float()  # 201 80
        self._ids: dict[str, list[int]] = {}

    def encode(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, n_mels, T), T a multiple of 4; frames: (B,) of them valid.

        Returns the encoder's states (B, T / 2, d) and the number of audio tokens (B,).
        """
        halved, tokens = audio_lengths(frames)
        valid = torch.arange(features.shape[2] // 2) < halved[:, None]
        return encoder_layers(self.model.model.audio_tower, features, valid[:, None, None, :]), tokens

    def project(self, states: Tensor) -> Tensor:
        """Means of pairs of states, normalized and projected: audio embeddings (B, T / 4, hidden)."""
        pooled = F.avg_pool1d(states.transpose(1, 2), 2).transpose(1, 2)
        return self.model.model.multi_modal_projector(self.model.model.audio_tower.layer_norm(pooled))

    def logits(self, heard: Tensor, packed: Packed) -> Tensor:
        """Logits (K, vocabulary) of the answers' tokens.  heard: from `project`."""
        items = {item: heard[item, :length] for item, length in packed.sources}
        decoder = self.model.model.language_model
        return answer_logits(decoder, self.model.lm_head, items, packed, packed.positions[2])

    def ids(self, text: str) -> list[int]:
        """Tokens of a text, remembered."""
        if text not in self._ids:
            self._ids[text] = self.tokenizer(text)["input_ids"]
        return self._ids[text]

    def row(
        self,
        clip: int,
        tokens: int,
        asked: Sequence[tuple[str, str]],
        system: str | None,
        numbered: bool = True,
        before: str = "",
    ) -> Row:
        """A conversation about one clip: the clip first, then each (question, answer) as a branch of its own.

        clip: number in the batch.  tokens: its length.  numbered: with "Audio 1: ", as the published template has
        it.  before: a question in front of the clip, whose answer is the only branch, its question empty.
        """
        head = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
        label, newline = ("Audio 1: ", "\n") if numbered else ("", "")
        start = self.ids(f"{head}<|im_start|>user\n{before}{label}<|audio_bos|>")
        placeholder = Placeholder((1, 1, tokens), self.model.config.audio_token_id)
        turn = "<|im_end|>\n<|im_start|>assistant\n"
        branches = [[(self.ids(q + turn), False), (self.ids(a + "<|im_end|>"), True)] for q, a in asked]
        return Row([*start, placeholder, *self.ids("<|audio_eos|>" + newline)], branches, [clip])

    @torch.no_grad()
    def judge(self, clips: Sequence[Heard]) -> dict[str, list[bool]]:
        """For each kind of question: is the greedy answer right, clip by clip?"""
        waves, truths = zip(*clips, strict=True)
        states, tokens = self.encode(*batch_log_mel(waves, self.filters))
        asked = [answers(truth) for truth in truths]
        rows = [
            self.row(i, count, [(QUESTIONS[task][0], a) for task, a in said.items()], qwen2_audio.SYSTEM)
            for i, (said, count) in enumerate(zip(asked, tokens.tolist(), strict=True))
        ]
        packed = pack(rows)
        found: dict[str, list[bool]] = {}
        for (row, branch, _), good in exact(self.logits(self.project(states), packed), packed).items():
            found.setdefault(list(asked[row])[branch], []).append(good)
        return found


class WhisperForward:
    """tiny-whisper in batches, on the model's own parameters."""

    def __init__(self, model: Any, processor: Any):
        self.model, self.processor, self.tokenizer = model, processor, processor.tokenizer
        self.filters = torch.from_numpy(processor.feature_extractor.mel_filters).float()  # 201 80
        self.frames = 2 * model.config.max_source_positions
        self.prompt = self.tokenizer.convert_tokens_to_ids(list(whisper.PROMPT))
        self.end = self.tokenizer.eos_token_id

    def targets(self, truths: Sequence[Truth]) -> tuple[Tensor, Tensor]:
        """Decoder inputs (B, L) and targets (B, L), -100 where nothing is to be learned."""
        said = [self.tokenizer(t.spoken, add_special_tokens=False)["input_ids"] + [self.end] for t in truths]
        longest = len(self.prompt) + max(map(len, said)) - 1
        ids = torch.full((len(said), longest), self.end)
        target = torch.full((len(said), longest), -100)
        for row, words in enumerate(said):
            ids[row, : len(self.prompt) + len(words) - 1] = torch.tensor([*self.prompt, *words[:-1]])
            target[row, len(self.prompt) - 1 : len(self.prompt) - 1 + len(words)] = torch.tensor(words)
        return ids, target

    def read(self, states: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's states before its last norm (B, T, d) -> logits (B, L, vocabulary), normed states."""
        heard = self.model.model.encoder.layer_norm(states)
        out = self.model.model.decoder(ids, encoder_hidden_states=heard, use_cache=False).last_hidden_state
        return self.model.proj_out(out), heard

    def logits(self, features: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L, vocabulary) and what the encoder heard (B, T, d)."""
        return self.read(encoder_layers(self.model.model.encoder, features), ids)

    @torch.no_grad()
    def judge(self, clips: Sequence[Heard]) -> dict[str, list[bool]]:
        """Is the greedy transcript right, clip by clip?"""
        waves, truths = zip(*clips, strict=True)
        ids, target = self.targets(truths)
        logits, _ = self.logits(batch_log_mel(waves, self.filters, self.frames)[0], ids)
        hits = (logits.argmax(-1) == target) | (target == -100)
        return {"transcribe": hits.all(1).tolist()}
