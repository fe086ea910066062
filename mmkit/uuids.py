"""Uuids: a guard for callers who give vLLM names of their own for items (`multi_modal_uuids`).

    prompt dictionary -> Uuids.checked -> the same dictionary, or UuidMismatch

vLLM never looks behind a name: its processor, encoder and prefix caches keep what came first under it, so the same
name with another picture gets an answer about the old picture. Whoever goes through mmkit.Engine needs no guard:
there the name of an item is the hash of its clean content (media.content_key), and no two contents share one.
Follows vLLM 0.32, where an item may be None once its name is known. Leaves out forgetting: a name stays taken for
as long as the object lives, whatever the engine's caches have dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkit.errors import InvalidArgument, UuidMismatch
from mmkit.media import content_key


class Uuids:
    """What each uuid has named so far; one object for the life of an engine, and threads may share it.

    Holds about 200 bytes a name.

    >>> names, red, green = Uuids(), np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)
    >>> def about(picture):
    ...     return {"prompt": "?", "multi_modal_data": {"image": [picture]}, "multi_modal_uuids": {"image": ["p1"]}}
    >>> for item in (red, red.copy(), None):
    ...     _ = names.checked(about(item))
    >>> names.checked(about(green))
    Traceback (most recent call last):
    mmkit.errors.UuidMismatch: image 0: the uuid 'p1' named another image before; vLLM would answer about that one
    """

    def __init__(self) -> None:
        self._content: dict[tuple[str, str], str] = {}  # (modality, uuid) -> content key

    def checked(self, prompt: Mapping[str, Any]) -> Mapping[str, Any]:
        """The prompt itself, as `LLM.generate` takes it, once its uuids are found to be honest.

        Each uuid must name what it named before, or something new; None in place of an item asks for the one that
        is known. Items without a uuid are vLLM's to hash.
        Raises UuidMismatch, and InvalidArgument where uuids and items are not lists of one length.
        """
        data = prompt.get("multi_modal_data") or {}
        for modality, uuids in (prompt.get("multi_modal_uuids") or {}).items():
            items = data.get(modality)
            if not isinstance(uuids, list) or not isinstance(items, list) or len(uuids) != len(items):
                raise InvalidArgument(f"{modality}: items and uuids are two lists of one length, an uuid an item")
            for index, (uuid, item) in enumerate(zip(uuids, items, strict=True)):
                if uuid is not None:
                    self._check(modality, index, uuid, item)
        return prompt

    def _check(self, modality: str, index: int, uuid: str, item: Any) -> None:
        known = self._content.get((modality, uuid))
        if item is None and known is None:
            raise UuidMismatch(
                f"the uuid {uuid!a} names nothing yet; send the {modality} with it once",
                index=index,
                modality=modality,
            )
        if item is None:
            return
        content = item_key(modality, item)
        if self._content.setdefault((modality, uuid), content) != content:
            raise UuidMismatch(
                f"the uuid {uuid!a} named another {modality} before; vLLM would answer about that one",
                index=index,
                modality=modality,
            )


def item_key(modality: str, item: Any) -> str:
    """A hash of an item as vLLM takes it: a PIL picture, an array, a tensor, (wave, rate), frames, embeddings.

    >>> item_key("audio", (np.zeros(4), 8000)) == item_key("audio", (np.zeros(4), 16000))
    False
    """
    nothing = np.empty(0)
    if isinstance(item, Mapping):  # embeddings with their grid, facts about a video
        return content_key(modality, nothing, *((name, item_key(modality, item[name])) for name in sorted(item)))
    if isinstance(item, (list, tuple)):
        return content_key(modality, nothing, *(item_key(modality, part) for part in item))
    if item is None or isinstance(item, (str, bool, int, float)):
        return content_key(modality, nothing, item)
    facts = (item.mode, item.getpalette()) if hasattr(item, "getpalette") else ()  # of a PIL picture
    if hasattr(item, "detach"):  # a tensor; numpy knows no bfloat16
        item = item.detach().float().cpu()
    return content_key(modality, np.ascontiguousarray(item), *facts)
