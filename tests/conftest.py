"""Shared by all tests: few threads, and the engine imported quietly."""

from __future__ import annotations

import os

# Before torch and vLLM read them. HF_HUB_OFFLINE: a test that asks a hub is a test that is wrong.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")

from hypothesis import settings

# No deadline for a single example: on a busy machine it fails where nothing is wrong.
settings.register_profile("mmkit", deadline=None)
settings.load_profile("mmkit")
