"""Isolation: a decoder that dies costs one item. The decoders here are made to die."""

from __future__ import annotations

import os
import threading
from multiprocessing import Pipe

import numpy as np
import pytest

from mmkit.audio import load_audio
from mmkit.errors import CorruptMedia, DecodedTooLarge, EmptyMedia
from mmkit.isolation import SHARES, Channel, Isolation
from tests.dying_decoders import crashes, never_ends, refuses, wants_memory
from tests.media_factory import movie, sound, track


@pytest.fixture(scope="module")
def isolation():
    with Isolation(memory=1 << 30, seconds=60) as made:
        yield made


def test_values_and_errors_cross_unchanged(isolation):
    clip, here = isolation.run(load_audio, sound()), load_audio(sound())
    assert np.array_equal(clip.wave, here.wave)
    assert (clip.sample_rate, clip.notes, clip.source) == (here.sample_rate, here.notes, here.source)
    with pytest.raises(EmptyMedia) as caught:
        isolation.run(refuses, b"")
    assert str(caught.value) == "item 3 (a.wav): nothing"


def crossed(value, sender, receiver):
    """What arrives of a value; sent by a thread, since a connection holds little until it is read."""
    thread = threading.Thread(target=sender.send, args=(value,), daemon=True)
    thread.start()
    arrived = receiver.receive()
    thread.join()
    return arrived


@pytest.mark.parametrize("shares", [True, False])
def test_values_cross_in_shared_memory_and_without_it(shares):
    """Both ends of a channel in one process: arrays of any length and order, the memory used again."""
    if shares and not SHARES:
        pytest.skip("this system has no memory without a name (memfd_create)")
    ends, random = Pipe(), np.random.default_rng(0)
    handle = os.memfd_create("test") if shares else None
    here, there = (Channel(end, handle if handle is None else os.dup(handle)) for end in ends)
    for length in (0, 1, 63, 5_000, 20_000, 1_000, 20_001):
        frames, wave = random.integers(0, 256, (length, 3), np.uint8), random.normal(size=length).astype(np.float32)
        value = {
            "frames": frames,
            "wave": wave,
            "turned": np.asfortranarray(frames),
            "blob": bytes(length),
            "n": length,
        }
        got = crossed(value, here, there)
        assert all(np.array_equal(got[name], value[name]) for name in ("frames", "wave", "turned"))
        assert (got["blob"], got["n"]) == (value["blob"], length)
        kept = crossed(got["wave"], there, here)
        got["frames"][:], kept[:] = 0, 0  # both may be changed
        assert crossed(np.ones(100_000), there, here).sum() == 100_000  # the next value leaves the last one alone
        assert not kept.any()
    here.close(), there.close()


@pytest.mark.parametrize(
    ("loader", "error", "reason"),
    [(crashes, CorruptMedia, "crashed"), (wants_memory, DecodedTooLarge, "1 GiB")],
)
def test_a_decoder_that_dies_costs_one_item(isolation, loader, error, reason):
    with pytest.raises(error, match=reason) as caught:
        isolation.run(loader, "/secret/folder/a.mp4")
    assert "secret" not in str(caught.value)
    assert len(isolation.run(load_audio, sound()).wave) == 16_000


def test_one_that_never_ends_is_ended():
    with Isolation(seconds=3) as isolation, pytest.raises(DecodedTooLarge, match="3 s"):
        isolation.run(never_ends, b"")


def test_a_crash_in_one_thread_leaves_its_neighbour_alone(isolation):
    good = []

    def load_many():
        good.extend(len(isolation.run(load_audio, sound()).wave) for _ in range(5))

    thread = threading.Thread(target=load_many)
    thread.start()
    for _ in range(2):
        with pytest.raises(CorruptMedia):
            isolation.run(crashes, b"")
    thread.join()
    assert good == [16_000] * 5


def test_ffmpegs_decoders_work_isolated_and_give_the_same(isolation, monkeypatch):
    """Inside the block what FFmpeg decodes comes from the worker, bit for bit; a crash there is a typed error."""
    from mmkit import audio
    from mmkit.video import load_video

    video, clip = load_video(movie(), count=4), load_audio(track("m4a", "aac"))
    with Isolation() as block:
        again, heard = load_video(movie(), count=4), load_audio(track("m4a", "aac"))
        assert block._all, "nothing went to a worker"
        monkeypatch.setattr(audio, "_decode_av", crashes)
        with pytest.raises(CorruptMedia, match="crashed") as caught:
            load_audio(track("m4a", "aac"))
    assert caught.value.modality == "audio"
    assert np.array_equal(again.frames, video.frames)
    assert np.array_equal(heard.wave, clip.wave)
    assert (again.notes, heard.notes) == (video.notes, clip.notes)


def test_check_loses_one_row_to_a_crash(tmp_path, monkeypatch):
    """Three rows, the middle one's decoder dies: three judgements, one of them an error."""
    import json

    from mmkit import video
    from mmkit.rows import ItemJudge, validate_rows
    from mmkit.sources import read_rows

    (tmp_path / "a.mp4").write_bytes(movie())
    (tmp_path / "b.wav").write_bytes(sound())
    rows = [{"id": 0, "text": "?", "audios": ["b.wav"]}, {"id": 1, "text": "?", "videos": ["a.mp4"]},
            {"id": 2, "text": "?", "audios": ["b.wav"]}]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(video, "_from_file", crashes)
    with Isolation():
        found = list(validate_rows(read_rows(tmp_path / "in.jsonl"), ItemJudge(tmp_path)))
    assert [row["id"] for row in found] == [0, 1, 2]
    assert [row.get("error", {}).get("type") for row in found] == [None, "CorruptMedia", None]
