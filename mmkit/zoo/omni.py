"""tiny-omni: an OmniForConditionalGeneration put together from trained parts, and its world of both senses.

    tiny-qwen2-vl's eye and decoder + tiny-qwen2-audio's ear -> assemble -> (train_omni.py) -> a model folder
    scene + spoken word -> ask_joint -> Question

That is how most multimodal models begin: an encoder somebody trained, a decoder somebody trained, and a new
projector between. Pictures are those of shapes.py with its wordings; clips say one word (a digit, a command, a
colour or a shape) or two or three digits, or are a simple sound.
Leaves out longer digit strings, voices' captions, printed numbers, charts and films: the parts' own models know
those.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmkit.models.omni.example import make_config, make_processor, make_tokenizer
from mmkit.models.omni.modeling import OmniForConditionalGeneration
from mmkit.zoo import qwen2_vl, shapes, speech
from mmkit.zoo.shapes import NUMBER_WORDS, Question, Scene

COLORS, SHAPES = tuple(shapes.COLORS), shapes.SHAPES
WORDS = (*speech.DIGITS, *speech.COMMANDS, *COLORS, *SHAPES)  # what a clip can say
MOST_DIGITS = 3
AUDIO_KINDS = ("transcribe", "word", "count", "first", "last", "speech", "caption")
JOINT_KINDS = ("color_match", "number_match", "spoken_there", "spoken_shape", "spoken_color", "spoken_count")
JOINT_PHRASINGS = {
    "color_match": (
        "Is the spoken word the color of the {shape}?",
        "Is the {shape} of the spoken color?",
        "Does the spoken word name the color of the {shape}?",
        "Is the word you hear the color of the {shape}?",
        "Does the speaker say the color of the {shape}?",
    ),
    "number_match": (
        "Does the number spoken match the number of shapes?",
        "Does the spoken number match the number of shapes?",
        "Is the spoken number the number of shapes?",
        "Are there as many shapes as the speaker says?",
        "Is the number you hear the number of shapes in the image?",
    ),
    "spoken_there": (
        "Is there a shape of the spoken color?",
        "Does the image have a shape of the spoken color?",
        "Do you see a shape of the color you hear?",
        "Is the spoken color in the image?",
    ),
    "spoken_shape": (
        "What shape has the spoken color?",
        "Which shape has the spoken color?",
        "Which shape has the color you hear?",
        "What is the shape of the spoken color?",
    ),
    "spoken_color": (
        "What color is the spoken shape?",
        "Which color has the spoken shape?",
        "What is the color of the spoken shape?",
        "What color is the shape you hear?",
    ),
    "spoken_count": (
        "How many shapes have the spoken color?",
        "How many shapes are of the spoken color?",
        "How many shapes have the color you hear?",
        "Count the shapes of the spoken color.",
    ),
}


def spoken_word(rng: random.Random, scene: Scene, kind: str) -> str:
    """A word to say for a question of JOINT_KINDS on a scene: about every second one fits the picture."""
    if kind == "number_match":
        if rng.random() < 0.5:
            return NUMBER_WORDS[len(scene.shapes)]
        return rng.choice(NUMBER_WORDS)
    names = SHAPES if kind == "spoken_color" else COLORS
    if scene.shapes and rng.random() < 0.6:
        shape = rng.choice(scene.shapes)
        return shape.kind if kind == "spoken_color" else shape.color
    return rng.choice(names)


def ask_joint(
    rng: random.Random, scene: Scene, word: str, kind: str, phrasing: int | None = None
) -> Question | None:
    """A question of JOINT_KINDS on a scene and a spoken word; None where the two have no answer to that kind.

    >>> scene = shapes.sample_scene(random.Random(3), count=1)
    >>> ask_joint(random.Random(0), scene, "one", "number_match", 0).answer
    'yes'
    """
    colors = [shape.color for shape in scene.shapes]
    kinds = [shape.kind for shape in scene.shapes]
    slots = {}
    if kind == "number_match" and word in NUMBER_WORDS:
        answer = "yes" if NUMBER_WORDS[len(kinds)] == word else "no"
    elif kind == "color_match" and word in COLORS and any(kinds.count(k) == 1 for k in kinds):
        fits = [s for s in scene.shapes if kinds.count(s.kind) == 1]
        named = [s for s in fits if s.color == word]
        # Not always the shape of that colour: else it would do to see whether the colour is there at all.
        shape = rng.choice(named if named and rng.random() < 0.5 else fits)
        slots["shape"] = shape.kind
        answer = "yes" if shape.color == word else "no"
    elif kind == "spoken_there" and word in COLORS:
        answer = "yes" if word in colors else "no"
    elif kind == "spoken_shape" and colors.count(word) == 1:
        answer = kinds[colors.index(word)]
    elif kind == "spoken_color" and kinds.count(word) == 1:
        answer = colors[kinds.index(word)]
    elif kind == "spoken_count" and word in COLORS:
        answer = NUMBER_WORDS[colors.count(word)]
    else:
        return None
    wordings = JOINT_PHRASINGS[kind]
    text = wordings[phrasing] if phrasing is not None else rng.choice(wordings)
    return Question(kind, text.format(**slots), answer)


def ask_clip(rng: random.Random, truth: speech.Truth, kind: str, phrasing: int | None = None) -> Question | None:
    """A question of AUDIO_KINDS on a clip, or None where the clip has no answer to that kind."""
    right = speech.answers(truth)
    if truth.words and kind == "caption":
        return None  # of simple sounds only
    if truth.words and not set(truth.words) <= set(speech.DIGITS):
        right |= {"count": "zero"}
    if kind not in right:
        return None
    wordings = speech.QUESTIONS[kind]
    return Question(kind, wordings[phrasing] if phrasing is not None else rng.choice(wordings), right[kind])


# ------------------------------------------------------------------------------------------------ the model


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
    take_words(model, tokenizer, old, qwen2_vl.train_tokenizer())
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
def take_words(model: OmniForConditionalGeneration, tokenizer: Any, old: Tensor, known: Any) -> None:
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
