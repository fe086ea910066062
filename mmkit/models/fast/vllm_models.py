"""vLLM's models with accelerated processors; everything else is inherited.

A model class of vLLM names its processing info, which loads the transformers processor. Each class below is the
parent with an info that hands over the accelerated copy.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vllm.model_executor.models import qwen2_5_vl, qwen2_vl, qwen3_vl, whisper
from vllm.multimodal import MULTIMODAL_REGISTRY

from mmkit.models.fast.processors import accelerate

accelerated = lru_cache(maxsize=8)(accelerate)  # vLLM keeps its processors, too, and asks for them often


class FastQwen2VLInfo(qwen2_vl.Qwen2VLProcessingInfo):
    def get_hf_processor(self, **kwargs: object) -> Any:
        return accelerated(super().get_hf_processor(**kwargs))


class FastQwen2_5_VLInfo(qwen2_5_vl.Qwen2_5_VLProcessingInfo):
    def get_hf_processor(self, **kwargs: object) -> Any:
        return accelerated(super().get_hf_processor(**kwargs))


class FastQwen3VLInfo(qwen3_vl.Qwen3VLProcessingInfo):
    def get_hf_processor(self, **kwargs: object) -> Any:
        return accelerated(super().get_hf_processor(**kwargs))


class FastWhisperInfo(whisper.WhisperProcessingInfo):
    def get_hf_processor(self, **kwargs: object) -> Any:
        return accelerated(super().get_hf_processor(**kwargs))


@MULTIMODAL_REGISTRY.register_processor(
    qwen2_vl.Qwen2VLMultiModalProcessor, info=FastQwen2VLInfo, dummy_inputs=qwen2_vl.Qwen2VLDummyInputsBuilder
)
class FastQwen2VL(qwen2_vl.Qwen2VLForConditionalGeneration):
    """Qwen2-VL, its pictures prepared by mmkit.kernels."""


@MULTIMODAL_REGISTRY.register_processor(
    qwen2_5_vl.Qwen2_5_VLMultiModalProcessor,
    info=FastQwen2_5_VLInfo,
    dummy_inputs=qwen2_5_vl.Qwen2_5_VLDummyInputsBuilder,
)
class FastQwen2_5_VL(qwen2_5_vl.Qwen2_5_VLForConditionalGeneration):
    """Qwen2.5-VL, its pictures prepared by mmkit.kernels."""


@MULTIMODAL_REGISTRY.register_processor(
    qwen3_vl.Qwen3VLMultiModalProcessor, info=FastQwen3VLInfo, dummy_inputs=qwen3_vl.Qwen3VLDummyInputsBuilder
)
class FastQwen3VL(qwen3_vl.Qwen3VLForConditionalGeneration):
    """Qwen3-VL, its pictures prepared by mmkit.kernels."""


@MULTIMODAL_REGISTRY.register_processor(
    whisper.WhisperMultiModalProcessor, info=FastWhisperInfo, dummy_inputs=whisper.WhisperDummyInputsBuilder
)
class FastWhisper(whisper.WhisperForConditionalGeneration):
    """Whisper, its log-mel spectrograms made by mmkit.kernels."""
