"""The model in vLLM 0.32, and what vLLM must know before it can run it.

    OmniProcessingInfo       which modalities, how many items, how many tokens each
    OmniDummyInputsBuilder   the largest inputs there can be, for measuring memory at the start
    OmniMultiModalProcessor  which tensor belongs to which item; what a placeholder becomes
    OmniForConditionalGeneration   encode the items, run the decoder, load the weights

Names of weights are those of the transformers side, so one checkpoint serves both.
Leaves out tensor parallelism inside the towers (each rank computes them whole; the decoder is vLLM's own Qwen2
and is split) and pooling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BatchFeature
from vllm.config import VllmConfig
from vllm.config.multimodal import MultiModalDummyOptions
from vllm.inputs import MultiModalDataDict
from vllm.model_executor.models.interfaces import MultiModalEmbeddings, SupportsMultiModal, SupportsPP
from vllm.model_executor.models.utils import AutoWeightsLoader, init_vllm_registered_model, maybe_prefix
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems
from vllm.multimodal.parse import (
    AudioProcessorItems,
    ImageEmbeddingItems,
    MultiModalDataItems,
    MultiModalDataParser,
)
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
    PromptUpdate,
)
from vllm.multimodal.processing.processor import HFMultiModalInputs
from vllm.sequence import IntermediateTensors

from .configuration import OmniConfig
from .processing import OmniProcessor
from .towers import AudioTower, ImageTower


class OmniProcessingInfo(BaseProcessingInfo):
    """Facts about the inputs, read from the config."""

    def get_hf_config(self) -> OmniConfig:
        return self.ctx.get_hf_config(OmniConfig)

    def get_hf_processor(self, **kwargs: object) -> OmniProcessor:
        return self.ctx.get_hf_processor(OmniProcessor, **kwargs)

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        return {"image": None, "audio": None}  # as many as fit the context

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int]:
        config = self.get_hf_config()
        return {"image": config.image_tokens, "audio": config.audio_tokens(config.max_audio_frames)}

    def get_data_parser(self) -> MultiModalDataParser:
        """vLLM resamples a (wave, rate) and mixes it down to one channel before our processor sees it."""
        return MultiModalDataParser(
            target_sr=self.get_hf_processor().feature_extractor.sampling_rate,
            target_channels=1,
            expected_hidden_size=self._get_expected_hidden_size(),
        )


class OmniDummyInputsBuilder(BaseDummyInputsBuilder[OmniProcessingInfo]):
    """The largest prompt: vLLM runs it once at the start, to know what memory the worst case takes."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        images, clips = mm_counts.get("image", 0), mm_counts.get("audio", 0)
        return OmniProcessor.image_token * images + OmniProcessor.audio_token * clips

    def get_dummy_mm_data(
        self, seq_len: int, mm_counts: Mapping[str, int], mm_options: MultiModalDummyOptions
    ) -> MultiModalDataDict:
        side = self.info.get_hf_config().image_size
        longest = self.info.get_hf_processor().feature_extractor.n_samples
        return {
            "image": self._get_dummy_images(
                width=side, height=side, num_images=mm_counts.get("image", 0), overrides=mm_options.get("image")
            ),
            "audio": self._get_dummy_audios(
                length=longest, num_audios=mm_counts.get("audio", 0), overrides=mm_options.get("audio")
            ),
        }


class OmniMultiModalProcessor(BaseMultiModalProcessor[OmniProcessingInfo]):
    """Between the transformers processor and vLLM's scheduler."""

    def _get_hf_mm_inputs(
        self, mm_items: MultiModalDataItems, hf_kwargs: Mapping[str, object]
    ) -> HFMultiModalInputs:
        """Check the waves first: an error inside the transformers processor is told without its reason."""
        clips = mm_items.get("audio")
        if isinstance(clips, AudioProcessorItems):
            for index in range(len(clips)):
                wave: Any = clips.get(index)
                self.info.get_hf_processor().check_wave(wave)
        return super()._get_hf_mm_inputs(mm_items, hf_kwargs)

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        """Along the first axis of each tensor there is one entry an item."""
        return {
            "pixel_values": MultiModalFieldConfig.batched("image"),
            "image_embeds": MultiModalFieldConfig.batched("image"),
            "input_features": MultiModalFieldConfig.batched("audio"),
            "audio_frames": MultiModalFieldConfig.batched("audio", keep_on_cpu=True),
            "audio_embeds": MultiModalFieldConfig.batched("audio"),
        }

    def _get_prompt_updates(
        self,
        mm_items: MultiModalDataItems,
        hf_processor_mm_kwargs: Mapping[str, object],
        out_mm_kwargs: MultiModalKwargsItems,
    ) -> Sequence[PromptUpdate]:
        """One placeholder becomes as many as its item has embeddings."""
        config = self.info.get_hf_config()

        def image(index: int) -> list[int]:
            items = mm_items["image"]
            rows = items.get_feature_size(index) if isinstance(items, ImageEmbeddingItems) else config.image_tokens
            if rows != config.image_tokens:  # found here, before the engine: there it would stop every request
                raise ValueError(f"image embeddings have {rows} rows; a picture has {config.image_tokens}")
            return [config.image_token_id] * rows

        def audio(index: int) -> list[int]:
            items: Any = mm_items["audio"]
            if not isinstance(items, AudioProcessorItems):
                return [config.audio_token_id] * items.get_feature_size(index)
            frames: Any = out_mm_kwargs["audio"][index]["audio_frames"].data
            return [config.audio_token_id] * config.audio_tokens(int(frames))

        return [
            PromptReplacement(modality="image", target=[config.image_token_id], replacement=image),
            PromptReplacement(modality="audio", target=[config.audio_token_id], replacement=audio),
        ]


@MULTIMODAL_REGISTRY.register_processor(
    OmniMultiModalProcessor, info=OmniProcessingInfo, dummy_inputs=OmniDummyInputsBuilder
)
class OmniForConditionalGeneration(nn.Module, SupportsMultiModal, SupportsPP):
    """The towers of towers.py before vLLM's own Qwen2 decoder."""

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        return {"image": OmniProcessor.image_token, "audio": OmniProcessor.audio_token}.get(modality)

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ""):
        super().__init__()
        config: Any = vllm_config.model_config.hf_config
        self.config: OmniConfig = config
        with self._mark_tower_model(vllm_config, "image"):
            self.image_tower = ImageTower(self.config)
        with self._mark_tower_model(vllm_config, "audio"):
            self.audio_tower = AudioTower(self.config)
        with self._mark_language_model(vllm_config):
            self.language_model: Any = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=self.config.text_config,
                prefix=maybe_prefix(prefix, "language_model"),
                architectures=["Qwen2ForCausalLM"],
            )
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors

    def embed_multimodal(self, **items: Any) -> MultiModalEmbeddings:
        """Embeddings (tokens, hidden) of each item; vLLM hands over the items of one modality at a time."""
        if (embeds := items.get("image_embeds", items.get("audio_embeds"))) is not None:
            return tuple(embeds)
        if (pictures := items.get("pixel_values")) is not None:
            return tuple(self.image_tower(pictures))
        mels, frames = items["input_features"], items["audio_frames"]
        clips = zip(mels, map(int, frames), strict=True)
        return tuple(self.audio_tower(mel[None, :, :length])[0] for mel, length in clips)

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: IntermediateTensors | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: object,
    ) -> Tensor | IntermediateTensors:
        """The decoder; inputs_embeds holds words and items already merged."""
        if intermediate_tensors is not None:
            inputs_embeds = None
        return self.language_model.model(input_ids, positions, intermediate_tensors, inputs_embeds=inputs_embeds)

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        return self.language_model.compute_logits(hidden_states)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Names are those of modeling.py, so nothing is renamed."""
        return AutoWeightsLoader(self).load_weights(weights)
