"""Text, pictures and clips to what the model takes: one call, as every transformers processor has it.

    "<|image|> <|audio|> question" + pictures + clips
        -> input_ids with as many placeholders as an item has tokens, attention_mask,
           pixel_values (pictures, 3, 112, 112), input_features (clips, n_mels, frames), audio_frames (clips,)

Pictures go through transformers' SiglipImageProcessor (stretch, scale, normalise), clips through its
WhisperFeatureExtractor (log-mel), each clip filled up with silence to whole tokens. Without text it prepares the
items alone: so vLLM calls it.
Leaves out a list of texts: pad and stack by yourself where training wants it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BatchFeature, ProcessorMixin

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if 'image' in part['type'] %}<|image|>"
    "{% elif 'audio' in part['type'] %}<|audio|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class OmniProcessor(ProcessorMixin):
    """transformers' picture processor, feature extractor and tokenizer under one roof."""

    image_token = "<|image|>"
    audio_token = "<|audio|>"

    def __init__(
        self,
        image_processor: Any = None,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        image_tokens: int = 16,
        frames_per_token: int = 4,
        **kwargs: Any,
    ):
        self.image_tokens, self.frames_per_token = image_tokens, frames_per_token
        super().__init__(
            image_processor, feature_extractor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE
        )

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        audio: Any = None,
        sampling_rate: int | None = None,
        return_tensors: str = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """text: one prompt with a placeholder an item (or a list of one).  images: pictures.  audio: waves.

        Raises ValueError where placeholders and items differ in number, a wave has another rate, is too short
        for one frame or longer than the model hears: nothing is cut in silence.
        """
        data: dict[str, Any] = {}
        images, waves = as_list(images), as_list(audio)
        if images:
            data |= self.image_processor(images, return_tensors="pt")
        if waves:
            data |= self.listen(waves, sampling_rate)
        if text is not None:
            (prompt,) = [text] if isinstance(text, str) else text
            lengths = {
                self.image_token: [self.image_tokens] * len(images),
                self.audio_token: [-(-int(n) // self.frames_per_token) for n in data.get("audio_frames", ())],
            }
            data |= self.tokenizer(expand(prompt, lengths), return_tensors="pt", add_special_tokens=False)
        return BatchFeature(data, tensor_type=return_tensors)

    def listen(self, waves: Sequence[np.ndarray], sampling_rate: int | None = None) -> dict[str, torch.Tensor]:
        """Log-mels of the waves (T,): (clips, n_mels, longest), and the frames of each."""
        extractor = self.feature_extractor
        if sampling_rate not in (None, extractor.sampling_rate):
            raise ValueError(f"a wave at {sampling_rate} Hz; resample it to {extractor.sampling_rate} Hz")
        for wave in waves:
            self.check_wave(wave)
        whole = extractor.hop_length * self.frames_per_token  # samples that make one token
        mels = [
            extractor(
                np.asarray(wave, np.float32), sampling_rate=extractor.sampling_rate, padding="longest",
                pad_to_multiple_of=whole, truncation=False, return_tensors="pt",
            ).input_features[0]
            for wave in waves
        ]  # fmt: skip
        frames = [mel.shape[1] for mel in mels]
        padded = [F.pad(mel, (0, max(frames) - mel.shape[1])) for mel in mels]
        return {"input_features": torch.stack(padded), "audio_frames": torch.tensor(frames)}

    def check_wave(self, wave: np.ndarray) -> None:
        """Raise ValueError, with the remedy, for a wave that the model cannot hear as it is."""
        extractor = self.feature_extractor
        if np.ndim(wave) != 1:
            raise ValueError(f"a wave of shape {np.shape(wave)}; mix it down to one channel (T,)")
        if len(wave) < extractor.hop_length:
            raise ValueError(f"{len(wave)} samples are too short: at least {extractor.hop_length} make a frame")
        if len(wave) > extractor.n_samples:
            raise ValueError(
                f"{len(wave)} samples are too long: the model hears {extractor.n_samples} "
                f"({extractor.chunk_length} s); cut the clip into pieces"
            )

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values", "input_features", "audio_frames"]


def expand(prompt: str, lengths: dict[str, list[int]]) -> str:
    """Write each placeholder as often as its item has tokens.

    >>> expand("<a>?<b><a>", {"<a>": [2, 3], "<b>": [1]})
    '<a><a>?<b><a><a><a>'
    """
    for token, items in lengths.items():
        if prompt.count(token) != len(items):
            raise ValueError(f"{prompt.count(token)} placeholders {token} in the text for {len(items)} items")
    waiting = {token: iter(items) for token, items in lengths.items()}
    pattern = "|".join(map(re.escape, lengths))
    return re.sub(pattern, lambda found: found[0] * next(waiting[found[0]]), prompt)


def as_list(items: Any) -> list[Any]:
    """None, one item or several as a list."""
    if items is None:
        return []
    return list(items) if isinstance(items, (list, tuple)) else [items]
