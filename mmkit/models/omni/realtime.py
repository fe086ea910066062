"""The model on vLLM's `/v1/realtime`: sound that comes in chunks over a websocket, answered utterance by utterance.

    chunks -> kept until the client says that the utterance has ended -> one prompt -> its words

Follows vLLM's SupportsRealtime. vLLM appends each further prompt of a session to the one before, with the answer
between them; this model was trained on one turn and hears the second word of three rightly in 3 of 10 cases that
way, so an utterance is a prompt of its own, and the client says where it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
from vllm.config import ModelConfig
from vllm.inputs import PromptType, TokensPrompt
from vllm.model_executor.models.interfaces import SupportsRealtime
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.tokenizers import cached_tokenizer_from_config

from .vllm_model import (
    OmniDummyInputsBuilder,
    OmniForConditionalGeneration,
    OmniMultiModalProcessor,
    OmniProcessingInfo,
)

QUESTION = "<|im_start|>user\n<|audio|>What is said?<|im_end|>\n<|im_start|>assistant\n"
SAMPLE_RATE = 16_000  # Hz; of the protocol


@MULTIMODAL_REGISTRY.register_processor(
    OmniMultiModalProcessor, info=OmniProcessingInfo, dummy_inputs=OmniDummyInputsBuilder
)
class OmniRealtime(OmniForConditionalGeneration, SupportsRealtime):
    """The same model, which also listens."""

    realtime_max_tokens = 16

    @classmethod
    async def buffer_realtime_audio(
        cls,
        audio_stream: AsyncGenerator[np.ndarray, None],
        input_stream: asyncio.Queue[list[int]],
        model_config: ModelConfig,
    ) -> AsyncGenerator[PromptType, None]:
        """One prompt of all chunks (T,) of an utterance, at most as long as the model hears."""
        longest = model_config.hf_config.max_audio_frames * SAMPLE_RATE // 100
        heard = np.zeros(0, np.float32)
        async for chunk in audio_stream:
            heard = np.concatenate([heard, chunk])[:longest]
        if len(heard):
            tokenizer = cached_tokenizer_from_config(model_config)
            assert tokenizer is not None
            question = tokenizer.encode(QUESTION, add_special_tokens=False)
            yield TokensPrompt(prompt_token_ids=question, multi_modal_data={"audio": (heard, SAMPLE_RATE)})
