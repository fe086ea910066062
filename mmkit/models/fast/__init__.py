"""Published processors with the fused kernels inside: the same tensors sooner, in transformers and in vLLM.

    accelerate(processor)    a transformers processor whose image and sound steps are the twins of mmkit.kernels
    MMKIT_FAST=1             vLLM, offline or serving, does the same for the models in plugin.MODELS

Off unless asked for. Follows transformers' classes: each is a subclass that replaces the steps it makes faster, and
leaves whatever it does not know (other devices, other options, other types) to its parent.
"""

from mmkit.models.fast.processors import accelerate

__all__ = ["accelerate"]
