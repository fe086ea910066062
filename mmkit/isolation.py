"""Isolation: decoding in a process of its own, so that a decoder that dies costs one item.

    with Isolation():                  `mmkit answer` and `mmkit check` work inside such a block
        isolated(function, *arguments)     -> computed by this thread's worker, with a limit of memory and of time
    isolated(function, *arguments)     outside of one: computed here

A decoder is a large C program that reads what strangers wrote; a fault in it ends its process. FFmpeg's are run so:
in 5,057 public test files they alone crashed, and they work long enough for the crossing to be small beside them
(tests/benchmarks/bench_isolation.py). Each thread has a worker of its own, so one that dies takes no neighbor with
it; the next item starts a new one.
Follows pickle's protocol 5, whose buffers travel beside the pickle: on Linux in memory that both processes map.
Leaves out a pool: one thread waits for one worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import mmap
import os
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

from mmkit.errors import CorruptMedia, DecodedTooLarge

GIBIBYTE = 1 << 30
SHARES = hasattr(os, "memfd_create")  # Linux: memory that processes share without a name in the file system
SMALL = 1 << 16  # bytes that go through the pipe itself
ALIGNED = 64  # arrays begin at multiples of a cache line


class Channel:
    """One end of a connection between two processes that take turns, and memory that both of them map.

    A value crosses as its pickle and its arrays' bytes: in the memory where they are many and the system has such
    memory (Linux), else through the connection.  The memory is kept: new pages cost more to touch than to copy.
    """

    def __init__(self, connection: Any, handle: int | None) -> None:
        self.connection, self.handle = connection, handle
        self._memory = memoryview(b"")

    def send(self, value: Any) -> None:
        """To the other end.  Raises OSError where it is gone."""
        buffers: list[pickle.PickleBuffer] = []
        parts = [memoryview(pickle.dumps(value, 5, buffer_callback=buffers.append)), *(b.raw() for b in buffers)]
        lengths = [part.nbytes for part in parts]
        shared = sum(lengths) > SMALL and self.handle is not None
        if shared:
            for part, place in zip(parts, self._places(lengths), strict=True):
                place[:] = part
        self.connection.send((lengths, shared))
        if not shared:
            for part in parts:
                self.connection.send_bytes(part)

    def receive(self) -> Any:
        """What the other end sent.  Raises EOFError where it is gone."""
        lengths, shared = self.connection.recv()
        if shared:
            parts = [bytearray(place) for place in self._places(lengths)]
        else:
            parts = [bytearray(self.connection.recv_bytes()) for _ in lengths]
        return pickle.loads(parts[0], buffers=parts[1:])

    def close(self) -> None:
        self.connection.close()
        if self.handle is not None:
            os.close(self.handle)

    def _places(self, lengths: list[int]) -> list[memoryview]:
        """Parts of the shared memory of these lengths, each at a multiple of ALIGNED; it grows as needed."""
        assert self.handle is not None
        ends = list(itertools.accumulate(length + -length % ALIGNED for length in lengths))
        if ends[-1] > len(self._memory):
            if os.fstat(self.handle).st_size < ends[-1]:
                os.ftruncate(self.handle, ends[-1])
            self._memory = memoryview(mmap.mmap(self.handle, ends[-1]))
        starts = [0, *ends[:-1]]
        return [self._memory[start : start + length] for start, length in zip(starts, lengths, strict=True)]


@dataclass
class Worker:
    """A process that computes what it is sent, and this side's end of the channel to it."""

    process: BaseProcess
    channel: Channel

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.channel.close()


@dataclass
class Isolation:
    """Workers that decode, from the beginning of a `with` block to its end; one block at a time.

    memory: bytes of data that a worker may hold, where the system has such a limit.
    seconds: that one item may take.
    """

    memory: int = 4 * GIBIBYTE
    seconds: float = 600.0
    _mine: threading.local = field(default_factory=threading.local, repr=False)
    _all: list[Worker] = field(default_factory=list, repr=False)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """function(*arguments), computed in this thread's worker.

        function: at the top of a module, so that it can be named to another process.  Raises what it raises;
        CorruptMedia where the worker died, DecodedTooLarge where it had no memory left or took too long.
        """
        worker = self._worker()
        try:
            worker.channel.send((function, arguments))
            if not worker.channel.connection.poll(self.seconds):
                self._drop(worker)
                raise DecodedTooLarge(f"it took more than {self.seconds:g} s to decode")
            value, error = worker.channel.receive()
        except (EOFError, OSError) as failure:
            self._drop(worker)
            reason = "its decoder crashed (in a process of its own; nothing else was harmed); make the file anew"
            raise CorruptMedia(reason, cause=failure) from failure
        if isinstance(error, MemoryError):
            self._drop(worker)  # what a failed allocation left behind is unknown
            reason = f"its decoder wanted more than {self.memory / GIBIBYTE:g} GiB of memory"
            raise DecodedTooLarge(reason, cause=error) from error
        if error is not None:
            raise error
        return value

    def _worker(self) -> Worker:
        """This thread's worker, started by a fresh interpreter: a fork of a process with threads may hang."""
        worker = getattr(self._mine, "worker", None)
        if worker is None:
            context = get_context("spawn")
            here, there = context.Pipe()
            handle = os.memfd_create("mmkit") if SHARES else None
            process = context.Process(target=_work, args=(there, self.memory), daemon=True)
            process.start()
            there.close()  # its end is the worker's alone: it closes where the worker dies
            worker = self._mine.worker = Worker(process, Channel(here, handle))
            self._all.append(worker)
            if handle is not None:
                send_handle(here, handle, process.pid)
            worker.channel.receive()  # that it is ready: the start is not the item's time
        return worker

    def _drop(self, worker: Worker) -> None:
        worker.stop()
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
            worker.stop()
        self._all.clear()


_active: Isolation | None = None


def isolated(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments): in a worker inside a `with Isolation()` block, else here.

    >>> isolated(max, 2, 3)
    3
    """
    return function(*arguments) if _active is None else _active.run(function, *arguments)


# ---------------------------------------------------------------------------------------------- the worker's side


def _work(connection: Any, memory: int) -> None:
    """A worker's life: compute what comes and send (value, None) or (None, error), until the other side closes."""
    _limit(memory)
    _keep_memory()
    channel = Channel(connection, recv_handle(connection) if SHARES else None)
    channel.send("ready")
    while True:
        try:
            function, arguments = channel.receive()
        except EOFError:
            return
        try:
            answer = function(*arguments), None
        except Exception as error:
            answer = None, error
        channel.send(answer)


def _limit(memory: int) -> None:
    """At a worker's start: a limit of memory, where the system has one, and no core file for a crash."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _keep_memory() -> None:
    """At a worker's start: what is freed is kept for the next item, by the GNU C library; new pages cost time."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: no block of its own for a large array
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: bytes at the top of the heap that are not given back
