"""Long recordings: where to cut them, where somebody speaks, and how transcripts of pieces become one.

Oracles: vLLM's split_audio (what its transcription server does), transformers' merge of Whisper's windows, and
recordings whose pauses we put there ourselves.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.whisper.tokenization_whisper import _find_longest_common_sequence

from mmkit.audio import (
    at_rate,
    load_audio,
    merge_transcripts,
    speech_pieces,
    split_at_pauses,
    voice_activity,
    windows,
)
from mmkit.errors import InvalidArgument

RATE = 16_000
SPOKEN = ("three_one_four.wav", "five_two.ogg", "four_nine_zero_slow.ogg", "seven_two_fast.ogg", "stop.flac")


def noise(seconds: float, decibels: float, seed: int = 0) -> np.ndarray:
    """White noise of that level below full scale."""
    wave = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (10 ** (decibels / 20) * wave).astype(np.float32)


def recording(pause: float = 0.5, decibels: float = -50.0) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The spoken clips with pauses between them, over noise, and where each sounds (above 1 % of full scale)."""
    parts, spans, at = [], [], 0
    for name in SPOKEN:
        wave = at_rate(load_audio(f"data/{name}"), RATE).wave
        loud = np.flatnonzero(np.abs(wave) > 0.01)
        spans.append((at + int(loud[0]), at + int(loud[-1])))
        parts += [wave, np.zeros(round(pause * RATE), np.float32)]
        at += len(parts[-1]) + len(wave)
    wave = np.concatenate(parts)
    return wave + noise(len(wave) / RATE, decibels)[: len(wave)], spans


# --- windows ------------------------------------------------------------------------------------------------


@given(st.integers(0, 500), st.integers(1, 90), st.data())
def test_windows_cover_every_sample_and_overlap_by_what_was_asked(samples, length, data):
    overlap = data.draw(st.integers(0, length - 1))
    spans = windows(samples, length, overlap)
    assert set().union(*(range(*span) for span in spans)) == set(range(samples))
    for (_, stop), (start, _) in itertools.pairwise(spans):
        assert stop - start == overlap
    assert all(0 < stop - start <= length for start, stop in spans)
    assert all(stop - start == length for start, stop in spans[:-1])
    # Nothing is heard twice for nothing: the last window holds something that the one before does not.
    assert all(b[1] > a[1] for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(("length", "overlap"), [(0, 0), (10, 10), (10, 11), (10, -1), (-5, 0)])
def test_windows_that_would_not_move_on_are_refused(length, overlap):
    with pytest.raises(InvalidArgument, match="overlap of"):
        windows(100, length, overlap)


# --- cuts at pauses ---------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 4000),
    st.integers(0, 10**6),
    st.sampled_from([(4.0, 1.0, 0.1), (3.0, 2.0, 0.25), (1.5, 1.0, 0.05)]),
)
def test_split_at_pauses_equals_vllm(samples, seed, numbers):
    """split_audio of vLLM's transcription server, in pieces of the same samples."""
    split_audio = pytest.importorskip("vllm.multimodal.audio").split_audio
    wave = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    seconds, search, quiet = numbers
    theirs = split_audio(wave, 100, seconds, search, int(100 * quiet))
    ours = split_at_pauses(wave, 100, seconds, search=search, quiet=quiet)
    assert [len(piece) for piece in theirs] == [stop - start for start, stop in ours]
    assert all(np.array_equal(piece, wave[slice(*span)]) for piece, span in zip(theirs, ours, strict=True))


def test_the_numbers_are_those_of_vllms_server():
    config = pytest.importorskip("vllm.config.speech_to_text").SpeechToTextConfig()
    assert (config.max_audio_clip_s, config.overlap_chunk_second) == (30, 1)  # seconds, search
    assert config.min_energy_split_window_size == 0.1 * RATE  # quiet


def test_split_cuts_in_the_pause_and_loses_nothing():
    wave = noise(70, -20)
    wave[int(29.4 * RATE) : int(29.7 * RATE)] = 0
    spans = split_at_pauses(wave, RATE)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(wave)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert 29.4 <= spans[0][1] / RATE <= 29.7
    assert max(stop - start for start, stop in spans) <= 30 * RATE


@pytest.mark.parametrize("numbers", [(1.0, 1.0, 0.1), (30.0, 0.05, 0.1), (30.0, 1.0, 0.0)])
def test_split_refuses_numbers_that_make_no_sense(numbers):
    seconds, search, quiet = numbers
    with pytest.raises(InvalidArgument, match="longer than the next"):
        split_at_pauses(noise(2, -20), RATE, seconds, search=search, quiet=quiet)


def test_no_sound_has_no_pieces():
    empty = np.zeros(0, np.float32)
    assert (
        windows(0, 10)
        == split_at_pauses(empty, RATE)
        == voice_activity(empty, RATE)
        == speech_pieces(empty, RATE)
        == []
    )


# --- voice activity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decibels", [-100.0, -60.0, -50.0, -40.0, -35.0])
def test_voice_activity_finds_each_utterance(decibels):
    """Each begins and ends within 150 ms of where we put it, in noise up to 20 dB below the words."""
    wave, true = recording(decibels=decibels)
    found = voice_activity(wave, RATE)
    assert len(found) == len(true)
    assert np.abs(np.subtract(found, true)).max() <= 0.2 * RATE


def test_noise_alone_silence_and_a_steady_hum_hold_nobody():
    hum = np.sin(2 * np.pi * 100 * np.arange(3 * RATE) / RATE).astype(np.float32)
    for wave in (noise(3, -30), np.zeros(3 * RATE, np.float32), hum, noise(0.01, -10)):
        assert voice_activity(wave, RATE) == []


def test_voice_activity_does_not_depend_on_the_volume():
    wave, _ = recording()
    assert voice_activity(wave, RATE) == voice_activity(wave / 10, RATE)


def test_a_short_gap_is_closed_and_a_long_one_is_not():
    wave = np.zeros(2 * RATE, np.float32)
    wave[:8000] = wave[8000 + 4000 : 20_000] = 0.5
    assert len(voice_activity(wave, RATE)) == 1  # 0.25 s
    apart = voice_activity(wave, RATE, pause=0.2, around=5.0)
    assert len(apart) == 2
    assert apart[0][1] <= apart[1][0]  # what is added around them does not overlap


def test_its_limits_are_as_the_docstring_says():
    beep = np.zeros(2 * RATE, np.float32)
    beep[8000:12_000] = np.sin(2 * np.pi * 800 * np.arange(4000) / RATE)
    assert len(voice_activity(beep, RATE)) == 1  # a beep is no voice
    wave, _ = recording(decibels=-10)
    assert len(voice_activity(wave, RATE)) < len(SPOKEN)  # noise as loud as the words


# --- pieces -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2.0, 3.0, 30.0])
def test_pieces_hold_every_utterance_whole_and_are_short_enough(seconds):
    wave, true = recording()
    pieces = speech_pieces(wave, RATE, seconds)
    assert all(stop - start <= seconds * RATE for start, stop in pieces)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(pieces))
    if seconds < 3:  # "four nine zero" takes longer and must be cut
        return
    slack = 0.05 * RATE  # soft ends
    for begin, end in true:
        assert any(start <= begin + slack and end - slack <= stop for start, stop in pieces)


def test_pieces_pack_as_much_as_fits():
    wave, true = recording()
    assert len(speech_pieces(wave, RATE, 30)) == 1
    assert len(speech_pieces(wave, RATE, 3)) < len(true)


def test_a_speaker_who_never_pauses_is_cut_all_the_same():
    wave = noise(100, -20)
    wave[: 12 * RATE] *= 0.001
    pieces = speech_pieces(wave, RATE, 30)
    assert len(pieces) >= 3
    assert all(stop - start <= 30 * RATE for start, stop in pieces)


# --- merging ----------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.lists(st.lists(st.integers(0, 4), max_size=7), min_size=1, max_size=5))
def test_merge_equals_transformers(texts):
    theirs = _find_longest_common_sequence(texts)
    ours = merge_transcripts(" ".join(f"w{number}" for number in text) for text in texts)
    assert ours == " ".join(f"w{number}" for number in theirs)


@pytest.mark.parametrize(
    ("texts", "merged"),
    [
        ([], ""),
        ([""], ""),
        (["", "one two", ""], "one two"),
        (["one two"], "one two"),
        (["one two three", "two three four"], "one two three four"),
        (
            ["one two thr", "wo three four"],
            "one two thr wo three four",
        ),  # one agreement or none: nothing is dropped
        (["Take five, two", "five two. Then stop"], "Take five, two. Then stop"),
        (["a b c d x", "y c d e f"], "a b c d e f"),  # spoiled at both cuts
        (["na na na", "na na na na"], "na na na na"),
    ],
)
def test_merge_by_hand(texts, merged):
    assert merge_transcripts(texts) == merged


def test_merging_windows_of_words_gives_the_text_back():
    words = [f"word{number}" for number in range(100)]
    texts = [" ".join(words[slice(*span)]) for span in windows(len(words), 20, 6)]
    assert merge_transcripts(texts) == " ".join(words)
