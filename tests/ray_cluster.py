"""Two Ray nodes on this machine, each with one worker's place; and the processes that they consist of."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import psutil

STORE = 100 << 20  # bytes


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def node_arguments() -> dict[str, Any]:
    """Of one node.  Ports by number: else Ray waits 15 s for agents that choose them, too little on a busy CPU."""
    names = ("metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
    return {"num_cpus": 1, "object_store_memory": STORE, **dict(zip(names, free_ports(3), strict=True))}


@contextlib.contextmanager
def two_nodes() -> Iterator[Any]:
    """A head and a worker node; ray.cluster_utils.Cluster, to which nothing is connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **node_arguments()})
    try:
        cluster.add_node(**node_arguments())
        yield cluster
    finally:
        cluster.shutdown()


def processes(cluster_session: str) -> list[str]:
    """What still runs of a cluster: each of its processes names the session's folder."""
    alive = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if cluster_session in line and process.pid != os.getpid():
            alive.append(line[:100])
    return alive
