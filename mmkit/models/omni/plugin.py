"""Tells transformers and vLLM that the model exists.

vLLM calls `register` in each of its processes, since pyproject.toml names it as an entry point of the group
"vllm.general_plugins"; so it must be cheap and may be called twice. The model is given as "module:Class": vLLM
imports it only where it runs.
"""

from __future__ import annotations


def register_transformers() -> None:
    """Let AutoConfig, AutoProcessor and AutoModelForImageTextToText load this model."""
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    from .configuration import OmniConfig
    from .modeling import OmniForConditionalGeneration
    from .processing import OmniProcessor

    AutoConfig.register(OmniConfig.model_type, OmniConfig, exist_ok=True)
    AutoProcessor.register(OmniConfig, OmniProcessor, exist_ok=True)
    AutoModelForImageTextToText.register(OmniConfig, OmniForConditionalGeneration, exist_ok=True)


def register() -> None:
    """Let vLLM serve this model."""
    from vllm import ModelRegistry

    register_transformers()
    if "OmniForConditionalGeneration" not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model("OmniForConditionalGeneration", f"{__package__}.realtime:OmniRealtime")
