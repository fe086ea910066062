"""Many samples. Oracles: the same samples one by one, and every sample counted."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmkit.batch import (
    Batch,
    FeatureCache,
    batches,
    buckets,
    chunks,
    collate,
    in_threads,
    map_ordered,
    model_inputs,
    padding_share,
    preprocess_many,
)
from mmkit.errors import CorruptMedia, EmptyMedia, MmkitError
from mmkit.preprocessor import MultiModalPreprocessor, MultiModalSample
from tests.media_factory import picture, pixels, sound


@pytest.fixture(scope="module")
def vision():
    return MultiModalPreprocessor("tiny-qwen2-vl", max_items={"image": 4})


def mixed(number: int) -> list[MultiModalSample]:
    """Samples of many lengths, every fifth of them broken."""
    made = []
    for i in range(number):
        images = tuple(pixels(30 + i, 60) for _ in range(i % 3))
        made.append(MultiModalSample("what " * (1 + i % 7), images if i % 5 else (picture()[: 40 + i],)))
    return made


# ----------------------------------------------------------------------------------------------- in order


@given(st.lists(st.integers(-5, 5), max_size=40), st.integers(1, 4), st.integers(1, 8))
def test_one_result_an_input_in_order(numbers, workers, ahead):
    def invert(n):
        if n == 0:
            raise EmptyMedia("nothing")
        if n == -5:
            raise RuntimeError("unforeseen")
        return 1 / n

    results = list(map_ordered(invert, iter(numbers), workers=workers, ahead=ahead))
    assert len(results) == len(numbers)
    for row, (n, result) in enumerate(zip(numbers, results, strict=True)):
        if n in (0, -5):
            assert isinstance(result, MmkitError)
            assert result.row == row
            assert n == 0 or isinstance(result.cause, RuntimeError)
        else:
            assert result == 1 / n


def test_inputs_are_taken_as_they_are_needed():
    taken = []

    def inputs():
        for n in range(10_000):
            taken.append(n)
            yield n

    results = map_ordered(lambda n: n, inputs(), workers=2, ahead=8)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(taken) <= 5 + 8 + 1
    results.close()


def test_threads_work_at_once():
    """Two workers meet at a barrier: one thread alone would wait for ever."""
    barrier = threading.Barrier(2, timeout=20)
    assert sorted(map_ordered(lambda n: barrier.wait() * 0 + n, range(2), workers=2)) == [0, 1]


def test_errors_handed_over_come_back_in_their_place():
    error = CorruptMedia("bad row")
    assert [getattr(r, "row", r) for r in map_ordered(lambda n: n, [1, error, 3])] == [1, 1, 3]


def test_progress_goes_to_stderr(capsys):
    assert list(map_ordered(lambda n: n, range(3), progress=True)) == [0, 1, 2]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3/3" in printed.err


# ------------------------------------------------------------------------------------------------ batches


@pytest.mark.parametrize("workers", [1, 3])
def test_every_sample_comes_back_once(vision, workers):
    samples = mixed(31)
    out = list(batches(vision, iter(samples), max_samples=4, window=10, workers=workers))
    rows = [row for b in out if isinstance(b, Batch) for row in b.rows] + [
        e.row for e in out if isinstance(e, MmkitError)
    ]
    assert sorted(rows) == list(range(31))
    assert [e.row for e in out if isinstance(e, MmkitError)] == list(range(0, 31, 5))


def test_a_batch_holds_what_its_samples_hold_alone(vision):
    samples = [s for i, s in enumerate(mixed(20)) if i % 5]
    for batch in batches(vision, samples, max_samples=5):
        alone = [vision.preprocess(samples[row]) for row in batch.rows]
        ids, mask = batch.features["text"]["input_ids"], batch.features["text"]["attention_mask"]
        kinds = batch.features["text"]["mm_token_type_ids"]
        for line, kind, kept, one in zip(ids, kinds, mask, alone, strict=True):
            assert torch.equal(line[kept == 1], one["text"]["input_ids"][0])
            assert torch.equal(kind[kept == 1], one["text"]["mm_token_type_ids"][0])
            assert kept.tolist() == sorted(kept.tolist()), "padding is on the left"
        if "image" in batch.features:
            whole = torch.cat([one["image"]["pixel_values"] for one in alone if "image" in one])
            assert torch.equal(batch.features["image"]["pixel_values"], whole)
            assert batch.items["image"] == tuple(len(samples[row].images) for row in batch.rows)


def test_items_are_decoded_in_threads_as_in_one(vision):
    samples = mixed(15)
    one, three = (list(preprocess_many(vision, samples, workers=w)) for w in (1, 3))
    for a, b in zip(one, three, strict=True):
        if isinstance(a, MmkitError):
            assert str(a) == str(b)
        else:
            assert torch.equal(a["text"]["input_ids"], b["text"]["input_ids"])


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 8), st.integers(1, 2000))
def test_buckets_keep_everything_within_the_budget(lengths, most, budget):
    groups = buckets(lengths, max_samples=most, max_tokens=budget)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) <= most
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= budget
    in_order = [list(range(i, min(i + most, len(lengths)))) for i in range(0, len(lengths), most)]
    # Sorting never pads more than taking them as they come, where all batches are full: a rest of one may be luck.
    if budget >= 500 * most and len(lengths) % most == 0:
        assert padding_share(lengths, groups) <= padding_share(lengths, in_order) + 1e-9


def test_unequal_mels_are_padded_and_masked():
    def one(frames: int) -> dict:
        return {"text": {"input_ids": torch.ones(1, 3)}, "audio": {"input_features": torch.ones(1, 80, frames)}}

    features, items = collate([one(5), one(9)])
    assert features["audio"]["input_features"].shape == (2, 80, 9)
    assert features["audio"]["input_features_mask"].sum() == 80 * 14
    assert items["audio"] == (1, 1)


def test_chunks_by_memory():
    class Held:
        nbytes = 100

    assert [len(c) for c in chunks([Held()] * 5, max_results=64, max_bytes=200)] == [2, 2, 1]


# -------------------------------------------------------------------------------------------------- cache


def test_the_same_picture_from_any_source_is_made_once(vision, tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    with FeatureCache(tmp_path / "cache") as cache:
        ready = MultiModalPreprocessor("tiny-qwen2-vl", cache=cache)
        for source in (picture(), tmp_path / "a.png", pixels(), picture("BMP")):
            made = ready.preprocess(MultiModalSample("any question", (source,)))
        assert (cache.misses, cache.hits, len(cache)) == (1, 3, 1)
        plain = vision.preprocess(MultiModalSample("any question", (picture(),)))
        assert torch.equal(made["image"]["pixel_values"], plain["image"]["pixel_values"])
        assert torch.equal(made["text"]["input_ids"], plain["text"]["input_ids"])
        ready.preprocess(MultiModalSample("?", (255 - pixels(),)))
        assert len(cache) == 2


def test_another_recipe_is_another_entry(tmp_path):
    with FeatureCache(tmp_path) as cache:
        for size in (112 * 112, 224 * 224):
            kwargs = {"size": {"shortest_edge": size, "longest_edge": size}}
            ready = MultiModalPreprocessor("tiny-qwen2-vl", cache=cache, processor_kwargs=kwargs)
            ready.preprocess(MultiModalSample("?", (picture(),)))
        assert len(cache) == 2


def test_the_cache_stays_within_its_limit(tmp_path):
    with FeatureCache(tmp_path, max_bytes=1 << 20) as cache:
        for i in range(60):
            cache.put(f"key{i}", {"x": torch.full((20_000,), float(i))})
        assert cache.size < 2 << 20
        assert cache.get("key59") is not None
        assert cache.get("key0") is None


def test_the_cache_never_unpickles_and_survives_damage(tmp_path):
    """A pickle planted in the cache's database, and noise in place of an entry: both count as missing."""
    import pickle
    import sqlite3

    class Attack:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    with FeatureCache(tmp_path) as cache:
        cache.put("good", {"x": torch.ones(2)})
        cache.put("large", {"x": torch.ones(100_000)})
    with sqlite3.connect(tmp_path / "cache.db") as database:
        database.execute(
            "UPDATE Cache SET mode = 4, value = ? WHERE key = 'good'", (sqlite3.Binary(pickle.dumps(Attack())),)
        )
    for path in tmp_path.rglob("*.val"):
        path.write_bytes(b"noise")
    with FeatureCache(tmp_path) as cache:
        assert cache.get("good") is None
        assert cache.get("large") is None
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(MmkitError, match="cannot be used as a cache"):
        FeatureCache(tmp_path / "file")


def test_threads_share_a_cache(tmp_path):
    with FeatureCache(tmp_path) as cache:
        ready = MultiModalPreprocessor("tiny-qwen2-vl", cache=cache)
        samples = [MultiModalSample("?", (pixels(30 + i % 4, 60),)) for i in range(24)]
        results = list(map_ordered(in_threads(ready, "preprocess", 4), samples, workers=4))
        assert not any(isinstance(result, MmkitError) for result in results)
        assert len(cache) == 4


def test_ten_thousand_items_stream_in_little_memory():
    """Only `ahead` results wait, however slowly they are fetched."""
    alive = []

    class Result:
        def __init__(self):
            alive.append(1)

        def __del__(self):
            alive.pop()

    most = 0
    for number, _ in enumerate(map_ordered(lambda n: Result(), range(10_000), workers=2, ahead=16)):
        most = max(most, len(alive))
        if number < 3:
            time.sleep(0.01)
    assert most <= 40


def test_sound_batches(tmp_path):
    hearing = MultiModalPreprocessor("tiny-qwen2-audio")
    samples = [MultiModalSample("?", audios=(sound(samples=n),)) for n in (8000, 16_000)]
    (batch,) = batches(hearing, samples)
    assert batch.features["audio"]["input_features"].shape[0] == 2
    assert batch.items["audio"] == (1, 1)


class Questions(torch.utils.data.Dataset):
    """A folder of pictures, as people write it for a DataLoader: an error is a value like any other."""

    def __init__(self, sources):
        self.sources, self.ready = sources, MultiModalPreprocessor("tiny-qwen2-vl")

    def __len__(self):
        return len(self.sources)

    def __getitem__(self, position):
        try:
            sample = MultiModalSample("What color is the circle?", images=[self.sources[position]])
            return position, self.ready.preprocess(sample)
        except MmkitError as error:
            return position, error


def together(pairs):
    good = [(position, features) for position, features in pairs if not isinstance(features, MmkitError)]
    inputs = model_inputs(collate([features for _, features in good])[0]) if good else {}
    return [position for position, _ in good], inputs, dict(pair for pair in pairs if pair not in good)


def test_two_workers_of_a_data_loader_feed_generate_and_one_file_in_twenty_is_broken():
    """Oracle: the same model on each picture alone, in this process."""
    from transformers import AutoModelForImageTextToText

    sources = [picture(), picture("JPEG"), picture("GIF")] * 7
    sources[7] = sources[7][:50]
    data = Questions(sources)
    model = AutoModelForImageTextToText.from_pretrained(data.ready.model).eval()

    def answers(inputs):
        with torch.no_grad():
            ids = model.generate(**inputs, max_new_tokens=4, do_sample=False)
        return data.ready.tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    # Not forked: vLLM makes torch.set_num_threads do nothing, and a forked worker waits for threads it has not.
    loader = torch.utils.data.DataLoader(
        data, batch_size=5, num_workers=2, collate_fn=together, multiprocessing_context="spawn"
    )
    found = {}
    for rows, inputs, errors in loader:
        found |= errors | dict(zip(rows, answers(inputs), strict=True))
    assert sorted(found) == list(range(len(sources)))
    assert isinstance(found[7], MmkitError)
    for position in (0, 1, 2):
        alone = answers(model_inputs(data[position][1]))
        assert {found[i] for i in range(position, len(sources), 3) if i != 7} == set(alone)
