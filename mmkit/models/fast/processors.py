"""Subclasses of transformers' processors that compute the same with mmkit.kernels.

    Qwen2VLImageProcessor   (Qwen2-VL, Qwen2.5-VL, Qwen3-VL): resize on the pixels as they lie, patches in one pass
    WhisperFeatureExtractor (Whisper, Qwen2-Audio ...): log-mel with short filters, silence not computed
    accelerate(processor)   puts them into a loaded processor

tests/test_models_fast.py proves equality with the parents. Leaves out video and other families.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Qwen2VLImageProcessor, WhisperFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature

from mmkit import kernels
from mmkit.recipes import WHISPER


class FastQwen2VLImageProcessor(Qwen2VLImageProcessor):
    """Qwen2VLImageProcessor, equal bit for bit, on a CPU."""

    def process_image(self, image: Any, **kwargs: Any) -> torch.Tensor:
        """An RGB picture as (3, H, W): a view of its interleaved pixels, where the parent makes planes of them."""
        if isinstance(image, Image.Image) and image.mode == "RGB" and kwargs.get("device") is None:
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)  # 3 H W
        return super().process_image(image, **kwargs)

    def _preprocess(self, images: list[torch.Tensor], **kwargs: Any) -> BatchFeature:
        dtype = wanted_dtype(kwargs)
        if dtype is None or any(i.dtype != torch.uint8 or i.ndim != 3 or len(i) != 3 for i in images):
            return super()._preprocess(images, **kwargs)
        patch, merge, temporal_patch = kwargs["patch_size"], kwargs["merge_size"], kwargs["temporal_patch_size"]
        statistics = (kwargs["image_mean"], kwargs["image_std"]) if dtype == "float32" else None
        patches, grids = [], []
        for image in images:
            if kwargs["do_resize"]:
                image = self.resize(image, kwargs["size"], kwargs["resample"], factor=patch * merge)
            pixels = image.permute(1, 2, 0).numpy()  # h w 3
            found, grid = kernels.pack_patches(pixels, patch, merge, temporal_patch, statistics)
            patches.append(torch.from_numpy(found))
            grids.append(grid)
        joined = patches[0] if len(patches) == 1 else torch.cat(patches)
        data = {"pixel_values": joined, "image_grid_thw": torch.tensor(grids)}
        return BatchFeature(data=data, tensor_type=kwargs["return_tensors"])


def wanted_dtype(kwargs: dict[str, Any]) -> str | None:
    """What the kernels are to make: "float32", normalized; "uint8", neither scaled nor normalized; else None."""
    whole = (kwargs["do_rescale"], kwargs["do_normalize"])
    if whole == (True, True) and kwargs["rescale_factor"] == 1 / 255:
        return "float32"
    return "uint8" if whole == (False, False) else None


class FastWhisperFeatureExtractor(WhisperFeatureExtractor):
    """WhisperFeatureExtractor, equal within 1e-5, on a CPU."""

    def _torch_extract_fbank_features(self, waveform: np.ndarray, device: str = "cpu") -> np.ndarray:
        usual = self.sampling_rate == WHISPER.sample_rate and waveform.ndim == 2 and np.isfinite(waveform).all()
        if device != "cpu" or self.dither or not usual or waveform.shape[1] <= self.n_fft // 2:
            return super()._torch_extract_fbank_features(waveform, device)
        recipe = replace(
            WHISPER,
            n_fft=self.n_fft,
            hop=self.hop_length,
            n_mels=self.feature_size,
            seconds=waveform.shape[1] / self.sampling_rate,
        )
        # The parent filled the waves up with zeros: log_mel knows what silence gives, and does not compute it.
        waves = [np.trim_zeros(wave, "b") if wave.any() else wave[:1] for wave in waveform]
        return np.stack([kernels.log_mel(wave, recipe).numpy() for wave in waves])  # batch n_mels n_frames


TWINS = {
    Qwen2VLImageProcessor: FastQwen2VLImageProcessor,
    WhisperFeatureExtractor: FastWhisperFeatureExtractor,
}


def accelerate(processor: Any) -> Any:
    """The same processor with fused kernels where there is a twin for its parts; others stay as they are.

    processor: a transformers processor, or an image processor or feature extractor by itself.  Returns a copy:
    the one that was handed over does not change.

    >>> accelerate(WhisperFeatureExtractor()).__class__.__name__
    'FastWhisperFeatureExtractor'
    """
    if type(processor) in TWINS:
        return TWINS[type(processor)].from_dict(processor.to_dict())
    twin = copy.copy(processor)
    for name in ("image_processor", "feature_extractor"):
        if hasattr(twin, name):
            setattr(twin, name, accelerate(getattr(twin, name)))
    return twin
