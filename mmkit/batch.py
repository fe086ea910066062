"""Batches: many samples at once, with nothing lost on the way.

    samples -> map_ordered (threads, order kept, errors in place) -> buckets (similar lengths together)
            -> collate (dynamic padding and masks) -> Batch -> model_inputs -> a transformers model

Threads, not processes: decoding and resizing leave Python's lock, and no array is ever pickled. Features of items
that were seen before come from a content-hash cache on disk, which holds safetensors and never a pickle.
Follows the padding that generation needs (left) and the concatenation that Qwen-VL's patches need.
Leaves out answering (engine.py).
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW

from mmkit.errors import BadFolder, MmkitError, label
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import MultiModalSample
from mmkit.text import pad


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples made ready together.

    rows: position of each among the samples that were handed over.  features: modality -> name -> tensor; "text"
    holds input_ids and attention_mask, both (B, T).  items: modality -> how many each sample has.
    """

    rows: tuple[int, ...]
    features: dict[str, dict[str, Any]]
    items: dict[str, tuple[int, ...]]


# ------------------------------------------------------------------------------------------- many, in order


def map_ordered(
    function: Callable[[Any], Any],
    inputs: Iterable[Any],
    *,
    workers: int = 2,
    ahead: int = 16,
    progress: bool = False,
) -> Iterator[Any | MmkitError]:
    """function(input) for each input, in order: exactly one result each, a value or a typed error with its row.

    workers: threads; 1 works in this one.  ahead: results that may wait, so that any number of inputs needs little
    memory.  progress: a bar on stderr.  An input that is an error already is passed on as it is.

    >>> def half(n):
    ...     if n % 2:
    ...         raise MmkitError("odd")
    ...     return n // 2
    >>> [str(result) for result in map_ordered(half, [4, 7, 6])]
    ['2', 'sample 1: odd', '3']
    """
    results = _map_ordered(function, inputs, workers, max(ahead, workers))
    if not progress:
        return results
    from tqdm import tqdm

    total = len(inputs) if isinstance(inputs, Sized) else None
    return iter(tqdm(results, total=total, unit="sample", file=sys.stderr))


def _map_ordered(
    function: Callable[[Any], Any], inputs: Iterable[Any], workers: int, ahead: int
) -> Iterator[Any | MmkitError]:
    if workers <= 1:
        for row, value in enumerate(inputs):
            yield _one(function, row, value)
        return
    numbered = enumerate(inputs)
    with ThreadPoolExecutor(workers, thread_name_prefix="mmkit") as pool:
        waiting = deque(pool.submit(_one, function, row, value) for row, value in islice(numbered, ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(_one, function, row, value) for row, value in islice(numbered, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)


def _one(function: Callable[[Any], Any], row: int, value: Any) -> Any | MmkitError:
    """One result, whatever happens: a run of a thousand rows does not end with the row that we did not foresee."""
    if isinstance(value, MmkitError):
        return value.at(row=row)
    try:
        return function(value)
    except MmkitError as error:
        return error.at(row=row)
    except Exception as error:
        what = f"unforeseen {type(error).__name__} while it was made ready; please report the file"
        return MmkitError(what, row=row, cause=error)


def in_threads(preprocessor: MultiModalPreprocessor, method: str, workers: int) -> Callable[[Any], Any]:
    """A method of a preprocessor that `workers` threads may call at once: each borrows one with its own processor.

    Tokenizers must not be shared while they work; the copies are made here, once, and kept by the preprocessor.
    """
    free = deque([preprocessor, *preprocessor.copies(workers - 1)])

    def call(sample: MultiModalSample) -> Any:
        mine = free.pop()
        try:
            return getattr(mine, method)(sample)
        finally:
            free.append(mine)

    return call


def chunks(results: Iterable[Any], *, max_results: int = 64, max_bytes: int = 512 << 20) -> Iterator[list[Any]]:
    """Group results for one call of an engine: by number, and by what they hold in memory (`nbytes`).

    >>> list(chunks(range(5), max_results=2))
    [[0, 1], [2, 3], [4]]
    """
    group: list[Any] = []
    held = 0
    for result in results:
        group.append(result)
        held += getattr(result, "nbytes", 0)
        if len(group) == max_results or held >= max_bytes:
            yield group
            group, held = [], 0
    if group:
        yield group


def preprocess_many(
    preprocessor: MultiModalPreprocessor,
    samples: Iterable[MultiModalSample],
    *,
    workers: int = 2,
    progress: bool = False,
) -> Iterator[dict[str, dict[str, Any]] | MmkitError]:
    """The features of many samples, in order; a bad sample costs itself alone."""
    return map_ordered(in_threads(preprocessor, "preprocess", workers), samples, workers=workers, progress=progress)


def batches(
    preprocessor: MultiModalPreprocessor,
    samples: Iterable[MultiModalSample],
    *,
    max_samples: int = 16,
    max_tokens: int = 8192,
    window: int = 128,
    side: Literal["left", "right"] = "left",
    workers: int = 2,
    progress: bool = False,
) -> Iterator[Batch | MmkitError]:
    """Padded batches of samples of similar length. Every sample comes back once: in a batch, or as an error.

    max_samples, max_tokens: of a batch, padding counted.  window: samples that are looked at together; more makes
    less padding and needs more memory.  A batch's `rows` and an error's `row` say which samples they are.
    """
    pad_id = preprocessor.pad_id
    results = enumerate(preprocess_many(preprocessor, samples, workers=workers, progress=progress))
    while group := list(islice(results, window)):
        yield from (result for _, result in group if isinstance(result, MmkitError))
        good = [(row, result) for row, result in group if not isinstance(result, MmkitError)]
        lengths = [result["text"]["input_ids"].shape[1] for _, result in good]
        for bucket in buckets(lengths, max_samples=max_samples, max_tokens=max_tokens):
            rows, features = zip(*(good[i] for i in bucket), strict=True)
            together, items = collate(features, pad_id=pad_id, side=side)
            yield Batch(rows, together, items)


# ---------------------------------------------------------------------------------------- unequal lengths


def buckets(lengths: Sequence[int], *, max_samples: int = 16, max_tokens: int = 8192) -> list[list[int]]:
    """Group positions so that neighbours have similar lengths and a padded batch stays within its budget.

    Sorted by length, filled one after the other; a batch of B samples costs B * longest tokens.  A sample that is
    longer than the budget makes a batch of its own.

    >>> buckets([3, 90, 4, 100, 5], max_tokens=200)
    [[0, 2, 4], [1, 3]]
    """
    groups: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        group = groups[-1] if groups else []
        full = len(group) + 1 > max_samples or (len(group) + 1) * lengths[position] > max_tokens
        if group and not full:
            group.append(position)
        else:
            groups.append([position])
    return groups


def padding_share(lengths: Sequence[int], groups: Sequence[Sequence[int]]) -> float:
    """The share of a batch's tokens that are padding: 1 - sum of lengths / sum of B * longest.

    >>> padding_share([1, 3], [[0, 1]])   # 4 tokens in 2 x 3 places
    0.33333333333333337
    """
    places = sum(len(group) * max(lengths[i] for i in group) for group in groups)
    return 1.0 - sum(lengths[i] for group in groups for i in group) / places if places else 0.0


def collate(
    samples: Sequence[dict[str, dict[str, Any]]], *, pad_id: int = 0, side: Literal["left", "right"] = "left"
) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[int, ...]]]:
    """Several samples' features as one batch.

    samples: results of `preprocess`.  Text ids are padded to the longest, with a mask; an item's tensors are put
    one after the other along their first axis, as the models take them.  Where other axes differ (mels of unequal
    length), zeros are put at the end and "<name>_mask" says what is real.  Returns (features, items per sample).
    """
    import torch

    texts = pad([s["text"]["input_ids"][0].tolist() for s in samples], pad_id=pad_id, side=side)
    features: dict[str, dict[str, Any]] = {
        "text": {"input_ids": torch.from_numpy(texts.ids), "attention_mask": torch.from_numpy(texts.mask)}
    }
    for name in samples[0]["text"].keys() - features["text"].keys():  # token types: 0 where there is nothing
        kinds = pad([s["text"][name][0].tolist() for s in samples], pad_id=0, side=side)
        features["text"][name] = torch.from_numpy(kinds.ids)
    items: dict[str, tuple[int, ...]] = {}
    for modality in ("image", "audio", "video"):
        present = [s[modality] for s in samples if modality in s]
        if not present:
            continue
        items[modality] = tuple(_count(s.get(modality, {})) for s in samples)
        features[modality] = {}
        for name in present[0]:
            features[modality].update(_together(name, [s[name] for s in present]))
    return features, items


def model_inputs(features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The features of all modalities in one dictionary, as `model(**inputs)` and `model.generate` take them.

    >>> model_inputs({"text": {"input_ids": [1]}, "image": {"pixel_values": [0.5]}})
    {'input_ids': [1], 'pixel_values': [0.5]}
    """
    return {name: tensor for tensors in features.values() for name, tensor in tensors.items()}


def _count(features: dict[str, Any]) -> int:
    """Items in a sample's features: the tensors have one entry each, but for patches, which grids count."""
    grids = [value for name, value in features.items() if name.endswith("grid_thw")]
    lengths = [len(value) for value in (grids or features.values())]
    return min(lengths, default=0)


def _together(name: str, tensors: Sequence[Any]) -> dict[str, Any]:
    """Tensors along their first axis; the others are padded with zeros, and masked, where they differ."""
    import torch

    shapes = {tuple(tensor.shape[1:]) for tensor in tensors}
    if len(shapes) == 1:
        return {name: torch.cat(list(tensors))}
    longest = [max(sizes) for sizes in zip(*shapes, strict=True)]
    whole = torch.zeros((sum(len(tensor) for tensor in tensors), *longest), dtype=tensors[0].dtype)
    mask = torch.zeros(whole.shape, dtype=torch.bool)
    start = 0
    for tensor in tensors:
        place = (slice(start, start + len(tensor)), *(slice(0, size) for size in tensor.shape[1:]))
        whole[place], mask[place] = tensor, True
        start += len(tensor)
    return {name: whole, f"{name}_mask": mask}


# ------------------------------------------------------------------------------------------------- the cache


class _BytesOnly(diskcache.Disk):
    """diskcache's storage without pickle: text keys, bytes values, and nothing else is read or written."""

    def put(self, key: Any) -> Any:
        if type(key) is not str:
            raise TypeError("a key is a str")
        return super().put(key)

    def get(self, key: Any, raw: bool) -> Any:
        return super().get(key, raw) if raw else None

    def store(self, value: Any, read: bool, key: Any = diskcache.core.UNKNOWN) -> Any:
        if type(value) is not bytes:
            raise TypeError("a value is bytes")
        return super().store(value, read, key)

    def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> Any:
        return super().fetch(mode, filename, value, read) if mode in (MODE_RAW, MODE_BINARY) else None


class FeatureCache:
    """Features of items on disk, by content: what was made once is not made again, whatever file it comes from.

    folder: where.  max_bytes: when it grows over this, what was used least recently goes.  Safe for several threads
    and processes.  A damaged entry counts as missing.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder, FeatureCache(folder) as cache:
    ...     cache.put("key", {"x": torch.ones(2)})
    ...     cache.get("key"), cache.get("other")
    ({'x': tensor([1., 1.])}, None)
    """

    def __init__(self, folder: str | os.PathLike, *, max_bytes: int = 1 << 30):
        try:
            self._cache = diskcache.Cache(
                str(Path(folder)),
                disk=_BytesOnly,
                size_limit=max_bytes,
                eviction_policy="least-recently-used",
                cull_limit=100,
            )
        except Exception as error:
            reason = f"cannot be used as a cache ({type(error).__name__}); delete the folder or take another"
            raise BadFolder(reason, source=label(folder), cause=error) from error
        self.hits = self.misses = 0

    def get(self, key: str) -> dict[str, Any] | None:
        """The tensors of a key, or None."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        data = self._cache.get(key)
        if isinstance(data, bytes):
            try:
                found = load(data)
                self.hits += 1
                return found
            except SafetensorError:
                self._cache.delete(key)
        self.misses += 1
        return None

    def put(self, key: str, tensors: dict[str, Any]) -> None:
        """Keep tensors under a key; where the disk is full or locked, go on without."""
        import sqlite3

        from safetensors.torch import save

        try:
            self._cache.set(key, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
        except (OSError, sqlite3.Error, diskcache.Timeout):
            return

    def __len__(self) -> int:
        return sum(1 for _ in self._cache.iterkeys())

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._cache.volume()

    def close(self) -> None:
        """Close the files."""
        self._cache.close()

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
