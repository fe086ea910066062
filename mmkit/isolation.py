"""Isolation: decoding in a process of its own, so that a decoder that dies costs one item.

    with Isolation():                  `mmkit answer` and `mmkit check` work inside such a block
        isolated(function, *arguments)     -> computed by this thread's worker, with a limit of memory and of time
    isolated(function, *arguments)     outside of one: computed here

A decoder is a large C program that reads what strangers wrote; a fault in it ends its process. FFmpeg's are run so:
in 5,057 public test files they alone crashed, and a value that comes from another process costs little beside them
(a JPEG would cost 2 to 4 times its own decoding: tests/benchmarks/bench_isolation.py).
Each thread has a worker of its own, so one that dies takes no neighbour with it; the next item starts a new one.
Follows concurrent.futures. Leaves out shared memory: values cross by pickle, written by our own code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from mmkit.errors import CorruptMedia, DecodedTooLarge

GIBIBYTE = 1 << 30


@dataclass
class Isolation:
    """Workers that decode, from the beginning of a `with` block to its end; one block at a time.

    memory: bytes of data that a worker may hold, where the system has such a limit.
    seconds: that one item may take.
    """

    memory: int = 4 * GIBIBYTE
    seconds: float = 600.0
    _mine: threading.local = field(default_factory=threading.local, repr=False)
    _all: list[ProcessPoolExecutor] = field(default_factory=list, repr=False)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """function(*arguments), computed in this thread's worker.

        function: at the top of a module, so that it can be named to another process.  Raises what it raises;
        CorruptMedia where the worker died, DecodedTooLarge where it had no memory left or took too long.
        """
        worker = self._worker()
        try:
            return worker.submit(function, *arguments).result(self.seconds)
        except BrokenProcessPool as error:
            self._drop(worker)
            reason = "its decoder crashed (in a process of its own; nothing else was harmed); make the file anew"
            raise CorruptMedia(reason, cause=error) from error
        except MemoryError as error:
            self._drop(worker)  # what a failed allocation left behind is unknown
            reason = f"its decoder wanted more than {self.memory / GIBIBYTE:g} GiB of memory"
            raise DecodedTooLarge(reason, cause=error) from error
        except TimeoutError as error:
            self._drop(worker)
            reason = f"it took more than {self.seconds:g} s to decode"
            raise DecodedTooLarge(reason, cause=error) from error

    def _worker(self) -> ProcessPoolExecutor:
        """This thread's worker, started by a fresh interpreter: a fork of a process with threads may hang."""
        worker = getattr(self._mine, "worker", None)
        if worker is None:
            worker = ProcessPoolExecutor(1, get_context("spawn"))
            worker.submit(_limit, self.memory).result()  # the start is not the item's time
            self._mine.worker = worker
            self._all.append(worker)
        return worker

    def _drop(self, worker: ProcessPoolExecutor) -> None:
        for process in list((worker._processes or {}).values()):
            process.kill()
        worker.shutdown(wait=False, cancel_futures=True)
        self._mine.worker = None
        self._all.remove(worker)

    def __enter__(self) -> Isolation:
        global _active
        _active = self
        return self

    def __exit__(self, *failure: object) -> None:
        global _active
        _active = None
        for worker in self._all:
            worker.shutdown(wait=False, cancel_futures=True)
        self._all.clear()


_active: Isolation | None = None


def isolated(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments): in a worker inside a `with Isolation()` block, else here.

    >>> isolated(max, 2, 3)
    3
    """
    return function(*arguments) if _active is None else _active.run(function, *arguments)


def _limit(memory: int) -> None:
    """At a worker's start: a limit of memory, where the system has one, and no core file for a crash."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
