"""The numbers of a model, as config.json holds them.

A picture always takes the same number of tokens, a clip one for each started `frames_per_token` frames: the
two cases of every multimodal model, static and dynamic feature size. Both sides ask these two methods, so that
they cannot disagree.
"""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen2Config


class OmniConfig(PreTrainedConfig):
    """A picture encoder, a clip encoder and a Qwen2 decoder."""

    model_type = "mmkit_omni"
    sub_configs: ClassVar = {"text_config": Qwen2Config}

    text_config: Any = None  # of the Qwen2 decoder: a config, or a dictionary of its numbers
    width: int = 128  # of both encoders
    heads: int = 4
    inner: int = 256  # width inside a layer's MLP
    image_layers: int = 3
    image_size: int = 112  # pixels a side; every picture is stretched to it
    patch_size: int = 14
    merge_size: int = 2  # merge x merge patches become one token
    audio_layers: int = 4
    n_mels: int = 80
    frames_per_token: int = 4  # two by a convolution, two by averaging
    max_audio_frames: int = 500  # 5 s at 10 ms a frame
    image_token_id: int = 0
    audio_token_id: int = 1

    def __post_init__(self, **kwargs: Any):
        if not isinstance(self.text_config, PreTrainedConfig):
            self.text_config = Qwen2Config(**(self.text_config or {}))
        super().__post_init__(**kwargs)

    @property
    def image_tokens(self) -> int:
        """Tokens of any picture."""
        return (self.image_size // self.patch_size // self.merge_size) ** 2

    def audio_tokens(self, frames: int) -> int:
        """Tokens of a clip of so many log-mel frames."""
        return -(-frames // self.frames_per_token)
