"""The way of the rows through Ray Data: read, worked on, collected.

    source -> parts (driver) -> readers -> blocks of `batch` rows -> workers -> results -> driver

Readers and workers are actors. A worker starts its job once (an engine, or a judge), then takes block after block.
Ray Data bounds what waits between the stages, starts a lost actor again, and makes lost blocks anew from the parts;
the driver takes each result once.
Follows Ray Data 2.60's map_batches with a class. Its own vLLM stage (ray.data.llm) does not keep our promises:
there a prompt is messages whose pictures Ray decodes, so nothing guards paths and sizes, makes typed control tokens
plain text or names what was repaired, and a failure is a string. An Engine in the actor does all that, as ever.
Leaves out what a machine's loss cannot explain: a row that kills every worker it meets is tried without end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmkit import shipped
from mmkit.batch import map_ordered
from mmkit.engine import Engine, Settings, preprocessor_for
from mmkit.errors import BackendMissing, EngineFailed, MmkitError
from mmkit.isolation import Isolation
from mmkit.rows import (
    Counts,
    ItemJudge,
    Journal,
    Kept,
    check_target,
    dump,
    journal_of,
    model_signature,
    row_key,
    with_bar,
    write_whole,
)
from mmkit.sources import Part, folder_of, parts, repeated_id

if TYPE_CHECKING:
    from ray.data import Dataset

BLOCK = 16 << 20  # bytes of rows that travel together at most
FED = 8  # workers by one reader
Work = Callable[[Iterable[Any]], Iterable["dict[str, Any] | MmkitError"]]


@contextlib.contextmanager
def cluster(
    address: str | None = None, *, num_cpus: int | None = None, object_store_bytes: int = 200 << 20
) -> Iterator[None]:
    """Ray for the length of a `with` block: on this machine, or, with an address, where it runs already.

    A process that is connected to a cluster stays so.
    address: "auto", or "host:port" of the head node.  num_cpus: workers of one core that this machine may hold.
    object_store_bytes: memory for blocks on their way; what does not fit goes to disk.
    Raises BackendMissing without Ray, EngineFailed where no cluster answers.
    """
    ray = import_ray()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    # "local" whatever RAY_ADDRESS says
    here = {"num_cpus": num_cpus, "object_store_memory": object_store_bytes, "include_dashboard": False}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **({} if address else here))
    except Exception as error:  # Ray raises Exception itself where a node does not come up
        raise EngineFailed(f"no Ray cluster at {address or 'this machine'}: {error}", cause=error) from error
    try:
        yield
    finally:
        ray.shutdown()


def import_ray() -> Any:
    """The ray module, quiet and sending nothing.  Raises BackendMissing with the remedy."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        remedy = 'pip install "mmkit[scale]", or `make ray` in the clone'
        raise BackendMissing(f"many machines need Ray: {remedy}", cause=error) from error
    return ray


# -------------------------------------------------------------------------------------------------------- the jobs


class Job(Protocol):
    """What a worker does: picklable, and started once in each."""

    def asked(self) -> tuple[str | int, ...]:
        """What its results depend on beside the row; a change of it answers all rows anew."""
        ...

    def start(self) -> Work:
        """Samples -> one dict (answer, tokens, notes) or typed error each, in order.  Called in the worker."""
        ...


@dataclass(frozen=True)
class Answering:
    """Ask a model: an Engine in each worker."""

    model: str = shipped.DEFAULT_MODEL
    root: str | None = None
    settings: Settings = field(default_factory=Settings)
    max_tokens: int = 64

    def asked(self) -> tuple[str | int, ...]:
        return model_signature(shipped.resolve(self.model)), self.max_tokens

    def start(self) -> Work:
        engine = Engine(self.model, settings=self.settings, root=self.root, quiet=True)

        def work(samples: Iterable[Any]) -> Iterator[dict[str, Any] | MmkitError]:
            for result in engine.answers(samples, max_tokens=self.max_tokens):
                failed = isinstance(result, MmkitError)
                yield result if failed else {
                    "answer": result.text, "tokens": result.prompt_tokens, "notes": result.notes
                }  # fmt: skip

        return work


@dataclass(frozen=True)
class Preparing:
    """Decode, check and count, as `mmkit check` does; model None: each item by itself."""

    model: str | None = None
    root: str | None = None
    settings: Settings = field(default_factory=Settings)

    def asked(self) -> tuple[str | int, ...]:
        return ("check", model_signature(shipped.resolve(self.model)) if self.model else "")

    def start(self) -> Work:
        judge: Any = ItemJudge(Path(self.root) if self.root else None)
        if self.model:
            judge = preprocessor_for(self.model, self.settings, self.root).to_prompt

        def work(samples: Iterable[Any]) -> Iterator[dict[str, Any] | MmkitError]:
            for result in map_ordered(judge, samples, workers=1):
                failed = isinstance(result, MmkitError)
                yield result if failed else {
                    "tokens": result.cost.total if result.cost else None, "notes": result.notes
                }  # fmt: skip

        return work


# ---------------------------------------------------------------------------------------------- the way of the rows


def prepare(source: Any, model: str | None = None, *, root: str | None = None, **options: Any) -> Dataset:
    """What `mmkit check` finds of each row of a source, as a Dataset.  options: see `run`."""
    return run(source, Preparing(model, root or root_of(source)), **options)


def answer(
    source: Any,
    model: str = shipped.DEFAULT_MODEL,
    *,
    root: str | None = None,
    max_tokens: int = 64,
    **options: Any,
) -> Dataset:
    """What a model answers to each row of a source, as a Dataset.  options: see `run`."""
    return run(source, Answering(model, root or root_of(source), max_tokens=max_tokens), **options)


def root_of(source: Any) -> str | None:
    """Where the rows of a file or a folder may read; None for rows that the caller made."""
    return str(folder_of(source)) if isinstance(source, (str, os.PathLike)) else None


def read(source: Any, *, text: str = "", batch: int = 64, readers: int = 1) -> Dataset:
    """The rows of a source (see sources.py) as a Dataset, read by so many actors when they are needed.

    batch: rows of a block; of a tar archive, which cannot be cut, a block holds up to BLOCK bytes.
    Columns: position (part * 2^32 + row in the part, growing in the order of the source), row (a pickled Row).
    The driver opens a source only to cut it into parts; an iterable it reads whole, into Ray's object store.
    """
    ray = import_ray()
    import pyarrow as pa

    pieces = [
        ray.put(pa.table({"part": [number], "piece": [pickle.dumps(part)]}))
        for number, part in enumerate(parts(source, max_rows=batch))
    ]
    if not pieces:
        return ray.data.from_arrow(
            pa.table({"position": pa.array([], pa.int64()), "row": pa.array([], pa.binary())})
        )
    dataset = ray.data.from_arrow_refs(pieces)
    dataset.context.target_max_block_size = BLOCK
    return dataset.map_batches(
        Reader,
        fn_constructor_args=(text, batch),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=readers),
        num_cpus=0,  # it waits for disks, and takes no worker's place
    )


class Reader:
    """An actor: a part -> its rows, `batch` at a time.  (For tasks, Ray starts a process for nearly each part.)"""

    def __init__(self, text: str, batch: int):
        self.text, self.batch = text, batch

    def __call__(self, table: Any) -> Iterator[Any]:
        import pyarrow as pa

        for entry in table.to_pylist():
            part: Part = pickle.loads(entry["piece"])
            rows, first = part.rows(self.text), entry["part"] << 32
            while group := [pickle.dumps(row) for row in islice(rows, self.batch)]:
                yield pa.table({"position": range(first, first + len(group)), "row": group})
                first += len(group)


def run(
    source: Any,
    job: Job,
    *,
    text: str = "",
    workers: int = 2,
    batch: int = 64,
    cpus: float = 1,
    gpus: float = 0,
    ordered: bool = True,
    done: Iterable[str] = (),
) -> Dataset:
    """One result for each row of a source, by so many workers; nothing is computed before the results are read.

    source: see sources.py.  text: the question of a row that has none.
    batch: rows that a worker works on at once; two batches at most wait at a worker.  cpus, gpus: of one worker.
    ordered: results in the order of the rows; else as they come, and `position` says where they belong.
    done: keys of rows that need no work (Journal.keys).
    Columns: position, row_id (JSON), key, kept, answer, tokens, notes, error_type, error_message.
    """
    ray = import_ray()
    rows = read(source, text=text, batch=batch, readers=1 + (workers - 1) // FED)
    rows.context.execution_options.preserve_order = ordered
    rows.context.raise_original_map_exception = True  # a worker's typed error, not Ray's account of it
    rows.context.enable_progress_bars = False
    rows.context.print_on_execution_start = False
    return rows.map_batches(
        Worker,
        fn_constructor_args=(job, ray.put(frozenset(done))),
        batch_size=batch,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        num_cpus=cpus,
        num_gpus=gpus,
        udf_modifying_row_count=False,
    )


class Worker:
    """An actor: starts its job once, then turns blocks of rows into blocks of results."""

    def __init__(self, job: Job, done: Any):
        import ray

        self.job, self.asked, self.done = job, job.asked(), ray.get(done)
        self.isolation = Isolation().__enter__()  # until the actor ends: a decoder that dies costs one row

    @cached_property
    def work(self) -> Work:
        """Started by the first block: what goes wrong then reaches the driver as the typed error that it is."""
        return self.job.start()

    def __call__(self, table: Any) -> Any:
        rows = [pickle.loads(row) for row in table["row"].to_pylist()]
        keys = [row_key(row, *self.asked) for row in rows]
        samples = [Kept("done") if key in self.done else row.sample for row, key in zip(rows, keys, strict=True)]
        results = [
            Result(position, json.dumps(row.id), key).filled(result)
            for position, row, key, result in zip(
                table["position"].to_pylist(), rows, keys, self.work(samples), strict=True
            )
        ]
        return as_table(results)


@dataclass(frozen=True)
class Result:
    """A row of the results; its fields are the columns."""

    position: int
    row_id: str  # JSON: the id as the row has it
    key: str  # of the journal
    kept: bool = False  # done in an earlier run: the journal has it
    answer: str | None = None
    tokens: int | None = None
    notes: list[str] = field(default_factory=list)
    error_type: str | None = None
    error_message: str | None = None

    def filled(self, result: dict[str, Any] | MmkitError) -> Result:
        """With what the job found."""
        if isinstance(result, Kept):
            return replace(self, kept=True)
        if isinstance(result, MmkitError):
            told = result.as_row()
            message = told["message"].encode("utf-8", "backslashreplace").decode()
            return replace(self, kept=False, error_type=told["type"], error_message=message)
        return replace(self, **{**result, "notes": list(result["notes"])})

    def output(self) -> dict[str, Any]:
        """The row of OUT.jsonl."""
        error = {"type": self.error_type, "message": self.error_message}
        return {"id": json.loads(self.row_id), **({"error": error} if self.error_type else {"answer": self.answer})}


def as_table(results: list[Result]) -> Any:
    """An Arrow table of results, of the same types whatever they hold."""
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    kinds = {"position": number, "kept": pa.bool_(), "tokens": number, "notes": pa.list_(text)}
    schema = pa.schema([(name, kinds.get(name, text)) for name in Result.__dataclass_fields__])
    return pa.Table.from_pylist([vars(result) for result in results], schema=schema)


# ------------------------------------------------------------------------------------------------------- to a file


def answer_rows(
    source: Any,
    target: Path,
    job: Job,
    *,
    text: str = "",
    fresh: bool = False,
    progress: bool = False,
    **options: Any,
) -> Counts:
    """As rows.answer_rows, by the workers of a cluster: a JSONL file in the order of the source, and a journal.

    job: Answering, or another.  options: see `run`.  A driver that was killed resumes from its journal: what stands
    there is not asked again.  Raises SourceNotAllowed; EngineFailed where the run breaks off: start it again then.
    """
    check_target(source, target)
    counts = Counts()
    with Journal(journal_of(target), fresh=fresh) as journal:
        results = collected(run(source, job, done=journal.keys(), **options))
        lines = (
            journal.settle(r.key, None if r.kept else dump(r.output()), r.error_type is not None, counts)
            for r in (with_bar(results, source) if progress else results)
        )
        write_whole(target, lines)
    return counts


def collected(results: Dataset) -> Iterator[Result]:
    """The results of an ordered run, each position once; an id that was used before is an error on the repeat.

    Raises the typed error behind one of Ray's.
    """
    from ray.exceptions import RayError

    last, seen = -1, set()
    try:
        for row in results.iter_rows():
            result = Result(**row)
            if result.position <= last:
                continue
            last, key = result.position, hash(result.row_id)
            repeated = result.row_id != "null" and key in seen
            seen.add(key)
            yield result.filled(repeated_id(json.loads(result.row_id))) if repeated else result
    except RayError as error:
        raise as_typed(error) from error


def as_typed(error: BaseException) -> MmkitError:
    """The typed error that a worker raised, or that the cluster failed."""
    from ray.exceptions import RayTaskError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MmkitError) and not isinstance(cause, RayTaskError):  # Ray's is an instance of both
            return cause
        cause = cause.cause if isinstance(cause, RayTaskError) else cause.__cause__
    return EngineFailed(f"the cluster failed ({type(error).__name__}); run again to go on", cause=error)
