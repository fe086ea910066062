"""A batched forward over the parameters of a Qwen2VLForConditionalGeneration, equal to transformers' own.

    pictures -> resized as the processor does -> patchify -> patches, one row a picture -> QwenForward.vision
    embeddings, Packed (packing.py) -> QwenForward -> logits of the answers' tokens

transformers' forward runs the vision tower image by image and wants one sequence for one question. Here a batch of
equal grids goes through the tower at once, and questions are packed. Same numbers, a fraction of the time on one
core; tests hold it against transformers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkit.models.omni.towers import apply_rotary
from mmkit.recipes import CLIP_MEAN, CLIP_STD
from mmkit.zoo.packing import Packed, answer_logits, attend
from mmkit.zoo.vision.model import MAX_PIXELS, MIN_PIXELS

PATCH, MERGE = 14, 2
MEAN = torch.tensor(CLIP_MEAN) * 255
STD = torch.tensor(CLIP_STD) * 255


def resized(height: int, width: int) -> tuple[int, int]:
    """The size (height, width) in pixels at which the model sees an image: multiples of 28."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    return smart_resize(height, width, PATCH * MERGE, MIN_PIXELS, MAX_PIXELS)


def patchify(pictures: np.ndarray, temporal: int = 1) -> tuple[Tensor, tuple[int, int]]:
    """Pictures of one size to normalised patches, as the model's processor does.

    pictures: (N, H, W, 3) uint8; temporal: pictures in one patch (1 for images, 2 for frames of a clip).
    Returns (N / temporal, gh * gw, 3 * temporal * 14 * 14) float32, merge blocks consecutive, and (gh, gw).
    """
    from torchvision.transforms.v2 import functional as tv

    x = torch.from_numpy(pictures).permute(0, 3, 1, 2)  # N 3 H W
    size = resized(*x.shape[-2:])
    if size != tuple(x.shape[-2:]):
        x = tv.resize(x, list(size), interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
    return cut(x, temporal, PATCH)


def cut(x: Tensor, temporal: int, patch: int) -> tuple[Tensor, tuple[int, int]]:
    """Pictures (N, 3, H, W) uint8, whose sides are multiples of 2 * patch, to what patchify returns."""
    gh, gw = x.shape[-2] // patch, x.shape[-1] // patch
    x = (x.float() - MEAN[:, None, None]) / STD[:, None, None]
    x = x.reshape(-1, temporal, 3, gh // MERGE, MERGE, patch, gw // MERGE, MERGE, patch)
    x = x.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)  # N gh gw m m C t p p: merge blocks become neighbours
    return x.reshape(x.shape[0], gh * gw, 3 * temporal * patch * patch), (gh, gw)


class QwenForward(nn.Module):
    """The forward of a Qwen2VLForConditionalGeneration (`model`), on its own parameters."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model
        self._angles: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def angles(self, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """cos and sin (gh * gw, head_dim) of the vision tower's rotary embedding for a grid of patches."""
        if grid not in self._angles:
            from transformers.vision_utils import get_vision_position_ids

            places = get_vision_position_ids(torch.tensor([[1, *grid]]), MERGE)
            self._angles[grid] = self.model.model.visual.rotary_pos_emb(torch.zeros(1), places)
        return self._angles[grid]

    def vision(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """Patches (N, gh * gw, values) of one grid to features (N, gh * gw / 4, hidden).

        An image's two frames are equal, so its patches come once and the two halves of the filter are added.
        """
        tower = self.model.model.visual
        weight = tower.patch_embed.proj.weight  # E 3 2 14 14
        single = patches.shape[-1] == weight[0, :, 0].numel()
        x = F.linear(patches, (weight.sum(2) if single else weight).flatten(1)).float()  # under autocast, too
        N, P, E = x.shape
        heads = tower.blocks[0].attn.num_heads
        cos, sin = self.angles(grid)
        for block in tower.blocks:
            qkv = block.attn.qkv(block.norm1(x)).view(N, P, 3, heads, E // heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # N heads P head_dim
            y = attend(apply_rotary(q, cos, sin), apply_rotary(k, cos, sin), v)
            x = x + block.attn.proj(y.transpose(1, 2).reshape(N, P, E))
            x = x + block.mlp(block.norm2(x))
        return tower.merger(x.reshape(-1, E)).view(N, P // MERGE**2, -1).float()

    def forward(self, items: list[Tensor], packed: Packed) -> Tensor:
        """Logits (K, vocabulary) of the tokens to predict; items: embeddings (tokens, hidden) of each."""
        decoder = self.model.model.language_model
        return answer_logits(decoder, self.model.lm_head, items, packed, packed.positions)
