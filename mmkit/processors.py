"""Processors: the model's own transformers processor: loaded, and run on one item or on all.

    model -> load_processor, load_config
    item, or a whole sample -> run_processor -> tensors by modality; tokens of a placeholder -> expand_ids

Follows transformers' AutoProcessor and AutoConfig. Leaves out what the numbers inside mean: recipes.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmkit.errors import ModelError, ModelNotFound
from mmkit.recipes import ImageRecipe, model_folder, read_json
from mmkit.sizes import ShortestEdge, SmartResize, Stretch


def load_processor(model: str, trust_remote_code: bool = False) -> Any:
    """The model's own transformers processor.  Raises ModelNotFound."""
    from transformers import AutoProcessor

    return _loaded(AutoProcessor, model, trust_remote_code, "processor")


def load_config(model: str, trust_remote_code: bool = False) -> Any:
    """The model's own transformers config.  Raises ModelNotFound."""
    from transformers import AutoConfig

    return _loaded(AutoConfig, model, trust_remote_code, "config")


def _loaded(factory: Any, model: str, trust_remote_code: bool, what: str) -> Any:
    register_model_type(model)
    try:
        return factory.from_pretrained(model, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, ImportError) as error:
        name = ascii(Path(model).name)
        reason = str(error).strip().splitlines()[0][:200].replace(str(Path(model).parent), "...")
        raise ModelNotFound(f"{name} has no {what} that transformers can load: {reason}", cause=error) from error


def register_model_type(model: str) -> None:
    """Let an installed package tell transformers of the architecture that a model's config.json names.

    Entry points of the group "mmkit.models", named by model_type; vLLM's own group for this is
    "vllm.general_plugins", whose entry points may import vLLM.
    """
    folder = model_folder(model)
    kind = read_json(folder / "config.json").get("model_type") if folder else None
    for entry in entry_points(group="mmkit.models", name=kind) if kind else ():
        entry.load()()


def run_processor(processor: Any, arguments: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The processor's tensors by modality; "text" where it was called with one.

    Raises ModelError where the processor refuses its input.
    """
    try:
        made = dict(processor(**arguments, return_tensors="pt"))
    except (ValueError, TypeError, RuntimeError) as error:
        name = type(processor).__name__
        raise ModelError(f"{name} refused the item: {type(error).__name__}", cause=error) from error
    found: dict[str, dict[str, Any]] = {}
    for name, value in made.items():
        found.setdefault(modality_of(name), {})[name] = value
    return found


def items_are_apart(recipe: Any) -> bool:
    """Does the processor make of each item the same, whether it comes alone or with others?

    Not where pictures are cut into tiles (their number differs), where text around an item is joined with its
    neighbours (Gemma 3), or where nothing is known.
    """
    if isinstance(recipe, ImageRecipe):
        return isinstance(recipe.resize, (SmartResize, ShortestEdge, Stretch)) and recipe.extra_tokens <= 1
    return recipe is not None


def modality_of(name: str) -> str:
    """The modality of one of a processor's outputs, by its name.

    >>> [modality_of(name) for name in ("pixel_values_videos", "pixel_values", "input_features", "input_ids")]
    ['video', 'image', 'audio', 'text']
    """
    if "token_type" in name:
        return "text"
    if "video" in name:
        return "video"
    if "pixel" in name or "image" in name:
        return "image"
    if "feature" in name or "audio" in name:
        return "audio"
    return "text"


def stack_features(tensors: list[Any]) -> Any:
    """Tensors of one name, an item each, along the first axis; shorter clips are filled up with zeros."""
    import torch

    longest = max(tensor.shape[-1] for tensor in tensors) if tensors[0].ndim > 2 else 0
    pad = torch.nn.functional.pad
    return torch.cat([pad(t, (0, longest - t.shape[-1])) if t.ndim > 2 else t for t in tensors])


def expand_ids(ids: Sequence[int], expansions: Mapping[int, Sequence[Sequence[int]]]) -> list[int]:
    """Token ids with each placeholder replaced by the tokens of its item.

    expansions: id of a placeholder -> the tokens of each of its items, in order.

    >>> expand_ids([7, 100, 8, 100], {100: [[1, 1], [1]]})
    [7, 1, 1, 8, 1]
    """
    waiting = {placeholder: iter(items) for placeholder, items in expansions.items()}
    return [new for token in ids for new in (next(waiting[token]) if token in waiting else (token,))]


def processing_signature(processor: Any, arguments: dict[str, Any]) -> str:
    """A name for the processing itself: the processor's settings, its arguments and transformers' version."""
    import transformers

    settings = [processor.to_dict(), arguments, transformers.__version__]
    return hashlib.blake2b(json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()
