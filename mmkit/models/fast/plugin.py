"""Tells vLLM to take the fast processors, where MMKIT_FAST=1 asks for it.

vLLM calls `register` in each of its processes, since pyproject.toml names it as an entry point of the group
"vllm.general_plugins". Without the variable it does nothing. With it, the architectures below are registered again
as subclasses whose processing info accelerates the model's own processor: vLLM's way for a model from outside,
and nothing of vLLM is copied. vLLM says in its log that an architecture is overwritten: that is meant.
"""

from __future__ import annotations

import os

MODELS = {
    "Qwen2VLForConditionalGeneration": "vllm_models:FastQwen2VL",
    "Qwen2_5_VLForConditionalGeneration": "vllm_models:FastQwen2_5_VL",
    "Qwen3VLForConditionalGeneration": "vllm_models:FastQwen3VL",
    "WhisperForConditionalGeneration": "vllm_models:FastWhisper",
}


def register() -> None:
    """Let vLLM use the fused kernels for MODELS, if MMKIT_FAST=1."""
    if os.environ.get("MMKIT_FAST") != "1":
        return
    from vllm import ModelRegistry

    for architecture, where in MODELS.items():
        ModelRegistry.register_model(architecture, f"{__package__}.{where}")  # imported where it is used
