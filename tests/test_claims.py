"""What the lessons say about other libraries, as they are now: a sentence that could rot has a test here.

Oracle: the installed library. Each test quotes the sentence that it holds, by notebook; where the sentence must
change, this is the place that says so.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import image

ROOT = Path(__file__).parents[1]


def text_of(stem: str) -> str:
    """A lesson's words, each line joined to the next."""
    cells = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells
    return " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")


# --- 02 image ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "method"),
    [
        *[("CLIP", 3), ("Siglip", 3), ("LlavaNext", 3), ("Qwen2VL", 3)],  # bicubic
        *[("Gemma3", 2), ("Llama4", 2), ("Idefics3", 1), ("SmolVLM", 1)],  # bilinear, Lanczos
    ],
)
def test_kernels_of_families(family, method):
    """02: CLIP, SigLIP, LLaVA and Qwen-VL bicubic; Gemma 3 and Llama 4 bilinear; Idefics3 and SmolVLM Lanczos."""
    import transformers

    processor = getattr(transformers, f"{family}ImageProcessor")
    assert int(processor.resample) == method  # numbers of PIL's Resampling


def test_pillow_antialiases_in_every_filter_but_nearest():
    """02: Pillow antialiases in every filter but NEAREST; torch's interpolate does not unless you say so."""
    stripes = np.zeros((1, 64), np.uint8)
    stripes[0, 1::4] = 255  # one column in four, which a narrow kernel never meets
    for method in Image.Resampling:
        shrunk = np.asarray(Image.fromarray(stripes).resize((16, 1), method))
        assert (shrunk.max() == 0 or shrunk.min() == 255) == (method is Image.Resampling.NEAREST), method
    tensor = torch.from_numpy(stripes[None, None]).float()
    plain = torch.nn.functional.interpolate(tensor, (1, 16), mode="bilinear")
    careful = torch.nn.functional.interpolate(tensor, (1, 16), mode="bilinear", antialias=True)
    assert (plain - careful).abs().max() > 50


VLLM_LOADS = {"harbour.jpg": 0.0, "lighthouse.jpg": 0.0, "badge.png": 0.0, "blink.gif": 0.0, "print_cmyk.jpg": 0.0}


@pytest.mark.vllm
def test_how_vllm_loads_the_six_files():
    """02: it agrees with mmkit on five of the six files; the 16-bit scan it clips: 192.9 levels off."""
    from vllm.multimodal.media.image import ImageMediaIO

    assert "agrees with `mmkit` on five of the six files" in text_of("02_image")
    assert "192.9 levels off" in text_of("02_image")
    for name, off in {**VLLM_LOADS, "scan16.png": 192.9}.items():
        loaded = ImageMediaIO().load_bytes((ROOT / "data" / name).read_bytes())
        theirs = np.asarray(getattr(loaded, "media", loaded)).astype(float)
        ours = image.load_image(ROOT / "data" / name).pixels
        assert theirs.shape == ours.shape, name
        assert round(float(np.abs(theirs - ours).mean()), 1) == off, name


@pytest.mark.vllm
def test_vllms_qwen2_vl_calls_smart_resize():
    """02: in vLLM 0.32 the Qwen2-VL code calls transformers' own smart_resize."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
    from vllm.model_executor.models import qwen2_vl

    assert qwen2_vl.smart_resize is smart_resize


@pytest.mark.vllm
def test_internvl_uses_imagenets_numbers():
    """02: InternVL's are ImageNet's."""
    from vllm.transformers_utils.processors import internvl

    from mmkit.recipes import IMAGENET_MEAN

    assert internvl.IMAGENET_MEAN == IMAGENET_MEAN
