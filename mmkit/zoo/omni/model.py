"""tiny-omni: an OmniForConditionalGeneration put together from trained parts.

    tiny-qwen2-vl's eye and decoder + tiny-qwen2-audio's ear -> assemble -> (train.py) -> a model folder

That is how most multimodal models begin: an encoder somebody trained, a decoder somebody trained, and a new
projector between. Its world is worlds/joint.py.
Leaves out printed numbers, charts and films: the parts' own models know those.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmkit.models.omni.example import make_config, make_processor, make_tokenizer
from mmkit.models.omni.modeling import OmniForConditionalGeneration
from mmkit.zoo.vision import model as qwen2_vl
from mmkit.zoo.worlds import speech
from mmkit.zoo.worlds.joint import JOINT_PHRASINGS, WORDS
from mmkit.zoo.worlds.shapes import SHAPES


def training_text() -> list[str]:
    """Lines with every word that the model needs, answers as single tokens."""
    rng = random.Random(1)
    lines = list(qwen2_vl.training_text())
    heard = [text for wordings in speech.QUESTIONS.values() for text in wordings]
    both = [text for wordings in JOINT_PHRASINGS.values() for text in wordings]
    for _ in range(1200):
        lines += [rng.choice(heard), rng.choice(both).format(shape=rng.choice(SHAPES))]
        lines += [rng.choice(WORDS), f"{rng.choice(WORDS)} {rng.choice(WORDS)} no speech"]
        lines += rng.sample(tuple(speech.SOUNDS.values()), 2)
    return lines


def assemble(eye: Path, ear: Path) -> tuple[OmniForConditionalGeneration, Any]:
    """A model and its processor from trained parts.

    eye: folder of a tiny-qwen2-vl, whose picture encoder and decoder are taken.  ear: of a tiny-qwen2-audio,
    whose clip encoder is taken.  Words that the decoder does not know begin with random embeddings.
    """
    from transformers import Qwen2AudioForConditionalGeneration, Qwen2VLForConditionalGeneration

    tokenizer = make_tokenizer(training_text(), size=1024)
    config = make_config(tokenizer)
    torch.manual_seed(0)
    model = OmniForConditionalGeneration(config)
    eos = config.text_config.eos_token_id
    model.generation_config.update(eos_token_id=eos, pad_token_id=config.text_config.pad_token_id)
    sight = Qwen2VLForConditionalGeneration.from_pretrained(eye).model
    hearing = Qwen2AudioForConditionalGeneration.from_pretrained(ear).model
    model.image_tower.load_state_dict(eye_weights(sight.visual.state_dict()))
    model.audio_tower.load_state_dict(ear_weights(hearing))
    decoder = sight.language_model.state_dict()
    old = decoder.pop("embed_tokens.weight")
    model.language_model.model.load_state_dict(decoder, strict=False)
    copy_embeddings(model, tokenizer, old, qwen2_vl.train_tokenizer())
    return model, make_processor(tokenizer, config)


def eye_weights(visual: dict[str, Tensor]) -> dict[str, Tensor]:
    """tiny-qwen2-vl's vision weights under the names of ImageTower; a picture fills both frames of a patch."""
    filters = visual["patch_embed.proj.weight"].sum(2)  # width 3 14 14
    weights = {"patches.weight": filters, "patches.bias": torch.zeros(len(filters))}
    names = {"norm1": "norm1", "norm2": "norm2", "attn.qkv": "qkv", "attn.proj": "out",
             "mlp.fc1": "up", "mlp.fc2": "down"}  # fmt: skip
    for name, tensor in visual.items():
        part, *rest = name.split(".")
        if part == "blocks":
            number, inner, last = rest[0], ".".join(rest[1:-1]), rest[-1]
            weights[f"layers.{number}.{names[inner]}.{last}"] = tensor
        elif part == "merger":
            weights[name.replace("merger.ln_q", "norm").replace("merger.mlp", "project")] = tensor
    return weights


def ear_weights(hearing: Any) -> dict[str, Tensor]:
    """tiny-qwen2-audio's encoder and projector under the names of AudioTower; Whisper's keys have no bias."""
    tower = hearing.audio_tower.state_dict()
    weights = {name: tower[name] for name in tower if name.startswith("conv")}
    names = {"self_attn_layer_norm": "norm1", "self_attn.out_proj": "out", "final_layer_norm": "norm2",
             "fc1": "up", "fc2": "down"}  # fmt: skip
    for i in range(len(hearing.audio_tower.layers)):
        for theirs, ours in names.items():
            for kind in ("weight", "bias"):
                weights[f"layers.{i}.{ours}.{kind}"] = tower[f"layers.{i}.{theirs}.{kind}"]
        for kind in ("weight", "bias"):
            parts = [tower.get(f"layers.{i}.self_attn.{p}_proj.{kind}") for p in "qkv"]
            parts = [torch.zeros_like(parts[0]) if part is None else part for part in parts]
            weights[f"layers.{i}.qkv.{kind}"] = torch.cat(parts)
    for kind in ("weight", "bias"):
        weights[f"norm.{kind}"] = tower[f"layer_norm.{kind}"]
        weights[f"project.{kind}"] = getattr(hearing.multi_modal_projector.linear, kind).detach()
    return weights


@torch.no_grad()
def copy_embeddings(model: OmniForConditionalGeneration, tokenizer: Any, old: Tensor, known: Any) -> None:
    """Copy the embeddings of the words that the old tokenizer knew; the others begin as small random ones."""
    rows = model.get_input_embeddings().weight
    rows.normal_(std=float(old.std()))
    vocabulary = known.get_vocab()
    for word, number in tokenizer.get_vocab().items():
        if word in vocabulary:
            rows[number] = old[vocabulary[word]]


def save(model: OmniForConditionalGeneration, processor: Any, folder: str | Path) -> None:
    """Write a folder that transformers and vLLM load: weights in half precision, to be computed in float32.

    2.1 million numbers of 2 bytes; config.json says float32, into which both libraries turn them when they load.
    """
    from safetensors.torch import load_file, save_file

    from mmkit.models.omni import example

    example.save(model, processor, folder)
    file = Path(folder) / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    file.chmod(0o644)
