"""Shared by all tests: one compute thread, and the engine imported quietly."""

from __future__ import annotations

import os

# Before torch and vLLM read them. HF_HUB_OFFLINE: a test that asks a hub is a test that is wrong.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "agg")
# Two threads wait for each other at every layer of a tiny model: fifty times as long on a core that is shared.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

import pytest
from hypothesis import settings

# No deadline for a single example: on a busy machine it fails where nothing is wrong.
settings.register_profile("mmkit", deadline=None)
settings.load_profile("mmkit")


@pytest.fixture(autouse=True)
def gradients():
    """vLLM switches gradients off for the whole process; the next test may train."""
    import torch

    torch.set_grad_enabled(True)


@pytest.fixture(scope="module")
def ray_nodes():
    """Two Ray nodes on this machine, for the tests of a module; gone when it ends."""
    from tests.ray_cluster import two_nodes

    with two_nodes() as cluster:
        yield cluster
