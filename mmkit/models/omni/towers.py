"""Encoders: pixel values and log-mels to embeddings that the decoder takes. Plain torch, the same on both sides.

    picture (3, 112, 112) -> patches 8 x 8 -> layers -> merge 2 x 2 -> 16 embeddings
    log-mel (80, frames)  -> two convolutions (half as many) -> layers -> mean of pairs -> frames / 4 embeddings

The layers are those of ViT and Whisper: norm, attention, norm, MLP. A patch is told its place by turning queries
and keys by an angle for its row and one for its column (rotary embedding in two dimensions, as Qwen2-VL does); a
moment of a clip by adding sines to it (as Whisper does).
Leaves out batching of clips of unequal length: one at a time is simple, and exact.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration import OmniConfig

Angles = tuple[Tensor, Tensor]


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); everything looks at everything."""

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor, angles: Angles | None = None, visible: Tensor | None = None) -> Tensor:
        """x: (N, T, width).  angles: cos and sin (T, head width).  visible: bool (N, 1, 1, T)."""
        N, T, _ = x.shape
        qkv = self.qkv(self.norm1(x)).view(N, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # 3 N heads T head
        q, k, v = qkv.unbind(0)
        if angles is not None:
            q, k = apply_rotary(q, *angles), apply_rotary(k, *angles)
        heard = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + self.out(heard.transpose(1, 2).reshape(N, T, -1))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (x_i, x_{i + half}) by their angles."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


def grid_angles(side: int, head: int, device: torch.device) -> Angles:
    """cos and sin (side * side, head) for a grid: a quarter of the pairs turns with the row, a quarter with the
    column, by 10000^(-i / (head / 4)) a step."""
    rates = 10_000.0 ** (-torch.arange(head // 4, device=device) / (head // 4))
    steps = torch.arange(side, device=device)[:, None] * rates  # side head/4
    rows, columns = steps.repeat_interleave(side, 0), steps.repeat(side, 1)
    angles = torch.cat((rows, columns), 1).repeat(1, 2)  # side*side head
    return angles.cos(), angles.sin()


class ImageTower(nn.Module):
    """Pictures to embeddings, always as many."""

    def __init__(self, config: OmniConfig):
        super().__init__()
        width, hidden, merged = config.width, config.text_config.hidden_size, config.width * config.merge_size**2
        self.merge = config.merge_size
        self.patches = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size)
        self.layers = nn.ModuleList(Layer(width, config.heads, config.inner) for _ in range(config.image_layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Sequential(nn.Linear(merged, merged), nn.GELU(), nn.Linear(merged, hidden))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(N, 3, size, size) -> (N, tokens, hidden)."""
        x = self.patches(pixel_values)  # N width side side
        N, width, side, _ = x.shape
        angles = grid_angles(side, width // self.layers[0].heads, x.device)
        x = x.flatten(2).transpose(1, 2)  # N side*side width
        for layer in self.layers:
            x = layer(x, angles)
        m, half = self.merge, side // self.merge
        x = self.norm(x).view(N, half, m, half, m, width).transpose(2, 3)  # N half half m m width
        return self.project(x.reshape(N, half * half, m * m * width))


class AudioTower(nn.Module):
    """One clip to as many embeddings as it is long."""

    def __init__(self, config: OmniConfig):
        super().__init__()
        width = config.width
        self.stride = config.frames_per_token // 2
        self.conv1 = nn.Conv1d(config.n_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer(width, config.heads, config.inner) for _ in range(config.audio_layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.text_config.hidden_size)

    def forward(self, features: Tensor, visible: Tensor | None = None) -> Tensor:
        """(N, n_mels, frames) -> (N, frames / 4, hidden); frames: a multiple of 4.

        visible: mask for clips of unequal length in one batch, which training has: (N, 1, 1, frames / 2).
        """
        x = F.gelu(self.conv2(F.gelu(self.conv1(features)))).transpose(1, 2)  # N frames/2 width
        x = x + sines(x.shape[1], x.shape[2], x.device)
        for layer in self.layers:
            x = layer(x, visible=visible)
        x = F.avg_pool1d(x.transpose(1, 2), self.stride).transpose(1, 2)  # N frames/4 width
        return self.project(self.norm(x))


def sines(length: int, width: int, device: torch.device) -> Tensor:
    """Whisper's position table (length, width), at 0.3 of its size: sines, then cosines, ever slower."""
    half = width // 2
    rates = 10_000.0 ** (-torch.arange(half, device=device) / (half - 1))
    angles = torch.arange(length, device=device)[:, None] * rates
    return 0.3 * torch.cat((angles.sin(), angles.cos()), dim=1)
