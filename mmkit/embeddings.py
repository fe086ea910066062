"""Embeddings: items whose encoder has run already, checked before an engine sees them.

    Embedding (values, grid) -> load_embedding -> Item -> for_vllm (vLLM's form) | embedding_features (tensors)

A wrong shape would stop vLLM's engine for good (it fails inside the model, not in the input check), so everything
that can be known is checked here.
Follows the two forms that vLLM 0.32 takes: a list of (n, hidden) tensors, or for families that count patches a
dictionary of all rows and their grids.
"""

from __future__ import annotations

from typing import Any

from mmkit.errors import EmptyMedia, NonFiniteSamples, PlaceholderMismatch
from mmkit.families import Family
from mmkit.media import content_key
from mmkit.recipes import ImageRecipe
from mmkit.samples import Embedding, Item
from mmkit.sizes import Stretch
from mmkit.tokens import ItemCost, image_tokens


def load_embedding(modality: str, embedding: Embedding, family: Family) -> Item:
    """One embedding, checked against what the model takes.

    Raises PlaceholderMismatch for a wrong shape or grid, EmptyMedia without rows, NonFiniteSamples.
    """
    import numpy as np
    import torch

    values = torch.as_tensor(embedding.values)
    if values.ndim != 2 or not values.is_floating_point():
        raise PlaceholderMismatch(
            f"an embedding of shape {tuple(values.shape)} and type {values.dtype}; it must be (n, hidden) floats"
        )
    rows, width = values.shape
    if width != family.hidden:
        raise PlaceholderMismatch(f"an embedding {width} wide; {family.name} takes {family.hidden}")
    if not rows:
        raise EmptyMedia("an embedding without rows")
    _check_rows(rows, modality, embedding, family)
    if not torch.isfinite(values).all():
        raise NonFiniteSamples("an embedding with a value that is not a finite number")
    cost = ItemCost(modality, "embedding", f"{rows} rows", rows, (rows,))
    array = np.ascontiguousarray(values.detach().to(torch.float32).cpu().numpy())
    key = content_key(f"{modality} embedding", array, str(values.dtype), embedding.grid)
    return Item(modality, embedding, values, key, cost, values.nbytes)


def _check_rows(rows: int, modality: str, embedding: Embedding, family: Family) -> None:
    """Does the number of rows fit the grid, or the recipe where that gives every picture the same number?"""
    if embedding.grid is not None:
        t, h, w = embedding.grid
        expected, rest = divmod(t * h * w, family.merge**2)
        if rows != expected or rest:
            raise PlaceholderMismatch(f"{rows} embeddings for a grid of {t} x {h} x {w}: expected {expected}")
        return
    if counts_patches(modality, family):
        raise PlaceholderMismatch("an embedding for this model needs its grid (t, h, w), in patches")
    recipe = family.recipes.get(modality)
    if isinstance(recipe, ImageRecipe) and isinstance(recipe.resize, Stretch):
        expected = image_tokens(recipe.resize.size, recipe.resize.size, recipe)
        if rows != expected:
            raise PlaceholderMismatch(f"{rows} embeddings; recipe {recipe.name} makes {expected} of every picture")


def counts_patches(modality: str, family: Family) -> bool:
    """Must an embedding of this modality state its grid?"""
    return family.merge > 1 and modality in ("image", "video")


def for_vllm(modality: str, items: list[Item], family: Family) -> Any:
    """The embeddings of a modality as vLLM takes them."""
    import torch

    if not counts_patches(modality, family):
        return [item.value for item in items]
    return {
        f"{modality}_embeds": torch.cat([item.value for item in items]),
        f"{modality}_grid_thw": torch.tensor([item.clean.grid for item in items]),
    }


def embedding_features(item: Item, placeholder_id: int) -> dict[str, Any]:
    """The tensors of one embedding under transformers' names, and the "input_ids" that its placeholder becomes."""
    import torch

    features = {
        f"{item.modality}_embeds": item.value,
        "input_ids": torch.full((1, len(item.value)), placeholder_id),
    }
    if item.clean.grid is not None:
        features[f"{item.modality}_grid_thw"] = torch.tensor([item.clean.grid])
    return features
