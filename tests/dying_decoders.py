"""Decoders that die, each in its own way; in a light module, so that a fresh process finds them at once."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from mmkit.errors import EmptyMedia


def crashes(*arguments: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def wants_memory(*arguments: Any) -> bytes:
    return bytes(4 << 30)


def never_ends(*arguments: Any) -> None:
    time.sleep(3600)


def refuses(*arguments: Any) -> Any:
    raise EmptyMedia("nothing", index=3, source="a.wav")
