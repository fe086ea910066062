"""Families: what a model directory says about the inputs it takes.

    transformers' processor and config of a model -> Family (modalities, placeholders, limits, context, recipes)

One mechanism for every model: nothing is looked up by a model's name. What a sample costs and where an item
stands in the prompt follow from the files beside the weights.
Follows transformers' processors (their token attributes and chat template) and the fields that configs share.
Leaves out weights and engines.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mmkit.errors import ModelError, ModelNotFound
from mmkit.prompts import placeholders_of, reserved_strings
from mmkit.recipes import recipe_for

MODALITIES = ("image", "audio", "video")
Style = Literal["chat", "plain", "encoder_decoder", "dual_encoder"]


@dataclass(frozen=True)
class Family:
    """What one model takes.

    style says how a prompt is made:
      "chat"    by the model's chat template, one placeholder an item (Qwen-VL, LLaVA, Qwen-Audio ...)
      "plain"   placeholders, then the text: a base model without a template
      "encoder_decoder"  the decoder's start tokens; the clip goes to the encoder and has no placeholder (Whisper)
      "dual_encoder"  a text or one picture, never both (CLIP)
    """

    name: str
    style: Style
    modalities: tuple[str, ...]
    placeholders: dict[str, str]  # modality -> the string that stands for one item
    reserved: tuple[str, ...]  # what a user's text must not spell
    limits: dict[str, int]  # items a prompt may hold, where the model itself has a limit
    context: int  # tokens, prompt and answer together
    longest_token: int  # characters of the vocabulary's longest token
    hidden: int  # width of an embedding
    merge: int  # merge x merge patches make one embedding
    recipes: dict[str, Any] = field(default_factory=dict)  # modality -> recipe, where one is known
    marks: dict[str, str] = field(default_factory=dict)  # modality -> what the processor writes around an item


def family_of(model: str, processor: Any, config: Any, overrides: dict[str, Any] | None = None) -> Family:
    """Read a model's facts from its processor and its config.

    model: the folder or hub name they come from, in which the recipes are looked up.  overrides: what the
    processor will be called with.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    placeholders = placeholders_of(processor)
    style = _style(processor, config, placeholders)
    modalities = tuple(m for m in MODALITIES if m in placeholders)
    limits: dict[str, int] = {}
    if style == "encoder_decoder":
        modalities, limits = ("audio",), {"audio": 1}
    if style == "dual_encoder":
        modalities, limits = ("image",), {"image": 1}
    text = config.get_text_config()
    vision = getattr(config, "vision_config", None)
    return Family(
        name=Path(model).name,
        style=style,
        modalities=modalities,
        placeholders=placeholders,
        reserved=reserved_strings(tokenizer if style == "encoder_decoder" else processor),
        limits=limits,
        context=context_length(text),
        longest_token=max(map(len, tokenizer.get_vocab()), default=1),
        hidden=_first(text, "hidden_size", "d_model"),
        merge=getattr(vision, "spatial_merge_size", 1) or 1,
        recipes=_recipes(model, modalities, overrides or {}),
        marks=_marks(processor, tokenizer, placeholders),
    )


def _style(processor: Any, config: Any, placeholders: dict[str, str]) -> Style:
    if getattr(config, "is_encoder_decoder", False) and hasattr(processor, "feature_extractor"):
        return "encoder_decoder"
    if getattr(processor, "chat_template", None) or getattr(processor, "tokenizer", processor).chat_template:
        return "chat"
    if not placeholders and getattr(config, "projection_dim", None):
        return "dual_encoder"
    return "plain"


def context_length(text_config: Any) -> int:
    """The longest sequence the model was made for, in tokens.

    >>> from types import SimpleNamespace
    >>> context_length(SimpleNamespace(max_position_embeddings=2048))
    2048
    """
    names = ("max_position_embeddings", "max_target_positions")
    known = [n for n in (getattr(text_config, name, None) for name in names) if n]
    return min(known) if known else sys.maxsize


def _marks(processor: Any, tokenizer: Any, placeholders: dict[str, str]) -> dict[str, str]:
    """What stands for an item in the expanded prompt, without its embeddings: for most, the placeholder itself.

    Gemma 3 puts blank lines around, which its tokenizer joins with those of the text.
    """
    whole = getattr(processor, "full_image_sequence", None)
    return placeholders | ({"image": whole.replace(tokenizer.image_token, "")} if whole else {})


def _first(config: Any, *names: str) -> int:
    return next((value for value in (getattr(config, name, None) for name in names) if value), 0)


def _recipes(model: str, modalities: tuple[str, ...], overrides: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for modality in modalities:
        try:
            found[modality] = recipe_for(model, modality, overrides)
        except (ModelError, ModelNotFound):
            continue  # a family that mmkit has no formula for: vLLM still knows what its items cost
    return found
