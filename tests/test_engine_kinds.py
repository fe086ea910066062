"""What else an engine does: vectors, transcripts, adapters, answers awaited.  Oracles: transformers; itself."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from mmkit.engine import Engine, Settings
from mmkit.errors import InvalidArgument, ModelNotFound, SourceNotFound
from mmkit.preprocessor import load_processor
from mmkit.shipped import models_folder

pytestmark = pytest.mark.vllm
COLORS = {"red": (215, 40, 40), "green": (40, 165, 60), "blue": (45, 75, 215)}


def circle(color: str) -> Image.Image:
    drawn = Image.new("RGB", (112, 112), "white")
    ImageDraw.Draw(drawn).ellipse((34, 34, 78, 78), fill=COLORS[color])
    return drawn


def test_vectors_equal_transformers_and_find_the_picture():
    from transformers import CLIPModel

    texts, images = [f"a {color} circle" for color in COLORS], [circle(color) for color in COLORS]
    with Engine("tiny-clip", quiet=True) as engine:
        found = engine.embed(texts, images=[*images, "missing.png"])
        assert isinstance(found.pop(), SourceNotFound)
        with pytest.raises(InvalidArgument, match="use embed"):
            engine.ask("What is it?", images=images[:1])
    processor = load_processor(str(models_folder() / "tiny-clip"))
    twin = CLIPModel.from_pretrained(models_folder() / "tiny-clip").eval()
    with torch.no_grad():
        said = twin.get_text_features(**processor(text=texts, padding=True, return_tensors="pt"))
        seen = twin.get_image_features(**processor(images=images, return_tensors="pt"))
    expected = [torch.nn.functional.normalize(getattr(v, "pooler_output", v), dim=-1).numpy() for v in (said, seen)]
    np.testing.assert_allclose(np.stack(found), np.concatenate(expected), rtol=0, atol=1e-5)
    scores = np.stack(found[:3]) @ np.stack(found[3:]).T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_only_a_model_that_embeds_gives_vectors_and_only_one_that_hears_transcribes():
    with Engine() as engine:
        with pytest.raises(InvalidArgument, match="writes answers"):
            engine.embed(["a red circle"])
        with pytest.raises(InvalidArgument, match="answers questions"):
            engine.transcribe("a.wav")
        with pytest.raises(InvalidArgument, match="enable_lora"):
            engine.ask("?", images=[circle("red")], lora="adapter")


def adapter(folder, rank: int, scale: float):
    """A LoRA of every query projection with random numbers, as peft stores it."""
    folder.mkdir()
    width = json.loads((models_folder() / "tiny-qwen2-vl" / "config.json").read_text())
    text = width.get("text_config", width)
    torch.manual_seed(0)
    tensors = {}
    for layer in range(text["num_hidden_layers"]):
        name = f"base_model.model.model.language_model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = torch.randn(rank, text["hidden_size"])
        tensors[f"{name}.lora_B.weight"] = scale * torch.randn(text["hidden_size"], rank)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_an_adapter_changes_its_own_question_alone(tmp_path):
    nothing, much = adapter(tmp_path / "nothing", 4, 0.0), adapter(tmp_path / "much", 8, 1.0)
    wide = adapter(tmp_path / "wide", 64, 1.0)
    asked = {"question": "Describe the image.", "images": [circle("red")]}
    with Engine(settings=Settings(enable_lora=True), quiet=True) as engine:
        plain = engine.ask(**asked)
        assert engine.ask(**asked, lora=nothing).token_ids == plain.token_ids
        changed = engine.ask(**asked, lora=much)
        assert changed.token_ids != plain.token_ids
        assert engine.ask(**asked) == plain
        assert engine.ask(**asked, lora=much) == changed
        with pytest.raises(InvalidArgument, match="rank 64"):
            engine.ask(**asked, lora=wide)
        with pytest.raises(ModelNotFound, match="no adapter"):
            engine.ask(**asked, lora=tmp_path)


AWAITED = """
import asyncio, sys
from mmkit import AsyncEngine

async def main():
    async with AsyncEngine() as engine:
        asked = {"images": [sys.argv[1]]}
        said = await asyncio.gather(*(engine.ask("What color is the circle?", **asked) for _ in range(8)))
        whole = await engine.ask("Describe the image.", **asked)
        pieces = [piece async for piece in engine.stream("Describe the image.", **asked)]
        async for _ in engine.stream("Describe the image.", **asked):
            break  # a reader who leaves
        failures = []
        for wrong in ({"images": ["missing.png"]}, {"max_tokens": -1}, {"guided_choice": 1}):
            try:
                await engine.ask("?", **wrong)
            except Exception as error:
                failures.append(type(error).__name__)
        print({a.text for a in said}, len(pieces) > 1, "".join(pieces).strip() == whole.text, failures)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_answers_awaited_and_streamed(tmp_path):
    (tmp_path / "handler.py").write_text(AWAITED)
    circle("red").save(tmp_path / "a.png")
    command = [sys.executable, "handler.py", "a.png"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    failures = ["SourceNotFound", "InvalidArgument", "InvalidArgument"]
    assert run.stdout.strip() == f"{ {'red'} } True True {failures}"
