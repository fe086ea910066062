"""The model in transformers: encode the items, put them where their placeholders stand, let the decoder go on."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import GenerationMixin, PreTrainedModel, Qwen2ForCausalLM

from .configuration import OmniConfig
from .towers import AudioTower, ImageTower

ITEMS = ("pixel_values", "input_features", "audio_frames", "image_embeds", "audio_embeds")


class OmniForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Pictures and clips among the words of a Qwen2 decoder."""

    config_class = OmniConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    _no_split_modules: ClassVar = ["Layer", "Qwen2DecoderLayer"]
    _supports_sdpa = True

    def __init__(self, config: OmniConfig):
        super().__init__(config)
        self.image_tower = ImageTower(config)
        self.audio_tower = AudioTower(config)
        self.language_model = Qwen2ForCausalLM(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> Any:
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        return self.language_model.get_output_embeddings()

    def encode_audio(self, input_features: Tensor, audio_frames: Tensor) -> list[Tensor]:
        """(clips, n_mels, longest), (clips,) -> for each clip (tokens, hidden)."""
        clips = zip(input_features, audio_frames.tolist(), strict=True)
        return [self.audio_tower(mel[None, :, :frames])[0] for mel, frames in clips]

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        input_features: Tensor | None = None,
        audio_frames: Tensor | None = None,
        image_embeds: Tensor | None = None,
        audio_embeds: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Items in the order of their placeholders; image_embeds, audio_embeds (tokens, hidden): encoded before."""
        if inputs_embeds is None:
            words: Tensor = self.get_input_embeddings()(input_ids)  # 1 L hidden
            if pixel_values is not None:
                image_embeds = self.image_tower(pixel_values).flatten(0, 1)
            if input_features is not None and audio_frames is not None:
                audio_embeds = torch.cat(self.encode_audio(input_features, audio_frames))
            for token, embeds in (
                (self.config.image_token_id, image_embeds),
                (self.config.audio_token_id, audio_embeds),
            ):
                if embeds is not None:
                    placeholders: Any = input_ids == token
                    words = words.masked_scatter(placeholders[..., None], embeds)
            inputs_embeds = words
        return self.language_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, past_key_values=past_key_values, **kwargs
        )

    def prepare_inputs_for_generation(self, *args: Any, is_first_iteration: bool = False, **kwargs: Any) -> dict:
        """The items go in with the prompt only: afterwards they are in the cache."""
        prepare: Any = super().prepare_inputs_for_generation  # pyright: ignore[reportAttributeAccessIssue]
        inputs = prepare(*args, is_first_iteration=is_first_iteration, **kwargs)
        if not is_first_iteration and kwargs.get("use_cache", True):
            inputs |= dict.fromkeys(ITEMS)
        return inputs
