"""The error tree: one base, one sentence, nothing private."""

from __future__ import annotations

import pickle

import pytest

from mmkit import errors
from mmkit.errors import CorruptMedia, MediaError, MmkitError, TruncatedMedia, label

NAMED = [
    "SourceNotAllowed",
    "SourceNotFound",
    "NotARegularFile",
    "SourceTooLarge",
    "FetchFailed",
    "FetchTimeout",
    "UnsupportedFormat",
    "CorruptMedia",
    "TruncatedMedia",
    "DecodedTooLarge",
    "EmptyMedia",
    "BadSampleRate",
    "TooManyChannels",
    "NonFiniteSamples",
    "BackendMissing",
    "BadEncoding",
    "PlaceholderMismatch",
    "LimitExceeded",
    "ContextOverflow",
]


@pytest.mark.parametrize("name", NAMED)
def test_the_contract_names_exist(name):
    assert issubclass(getattr(errors, name), MediaError)


def test_message_says_which():
    error = CorruptMedia("bad CRC", index=3, source="a.png", modality="image")
    assert str(error) == "image 3 (a.png): bad CRC"
    assert error.as_row() == {"type": "CorruptMedia", "message": "image 3 (a.png): bad CRC"}


def test_at_fills_in_only_what_is_missing_and_keeps_the_cause():
    cause = OSError("disk")
    error = TruncatedMedia("ends early", source="a.png", cause=cause).at(index=1, source="b.png")
    assert (error.index, error.source, error.cause) == (1, "a.png", cause)
    assert type(error) is TruncatedMedia


def test_survives_pickling():
    error = pickle.loads(pickle.dumps(MediaError("x", index=1, source="s", modality="audio")))
    assert str(error) == "audio 1 (s): x"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/home/ann/secret/scan.png", "scan.png"),
        ("data:image/png;base64,AAAA", "data URL"),
        (b"\x89PNG....", "8 bytes"),
        (None, "NoneType"),
        ("a/" + "x" * 300, "x" * 28 + "..." + "x" * 29),
        ("naïve\udcff.png", "na\\xefve\\udcff.png"),
        ("https://u:p@example.org/a.png?token=secret", "a.png"),
    ],
)
def test_label_is_short_and_private(source, expected):
    assert label(source) == expected


def test_everything_is_an_mmkit_error():
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, MmkitError)
