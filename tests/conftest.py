"""Shared by all tests: few threads, and the engine imported quietly."""

from __future__ import annotations

import os

# Before torch and vLLM read them. HF_HUB_OFFLINE: a test that asks a hub is a test that is wrong.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")
