"""Scale: the same rows prepared and answered on many cores and machines, by Ray Data.

    source -> read -> rows -> run (a worker a core or a GPU) -> results -> answer_rows (OUT.jsonl, resumable)

    from mmkit import scale

    with scale.cluster():                                       # this machine; cluster("auto") joins one that runs
        results = scale.prepare("rows.jsonl", "tiny-qwen2-vl", workers=2)         # what `mmkit check` finds
        results = scale.answer("shards/", "tiny-qwen2-vl", workers=2)             # what `mmkit answer` says
        for row in results.iter_rows():                                           # a ray.data.Dataset, streamed
            print(row["position"], row["row_id"], row["answer"], row["error_type"], row["error_message"])
        counts = scale.answer_rows("shards/", Path("out.jsonl"), scale.Answering("tiny-qwen2-vl"))

    stages = [scale.Stage("prepare", seconds=0.02, workers=64), scale.Stage("answer", seconds=0.001, price=2.0)]
    scale.plan(stages, rows=100_000_000)         # seconds, rows a second, bottleneck, cost, failures; by formula
    scale.simulate(stages, rows=1_000_000)       # the same event by event, with starts, failures and full buffers

One result per row, with its position, its id and its error, whatever happens to a row or to a machine; in the order
of the source unless ordered=False. What travels is text and encoded bytes, or paths (then on a file system that all
machines share); a worker decodes. `dataset.py` holds the way of the rows, `plan.py` the model of a cluster.
Needs Ray: pip install "mmkit[scale]", or `make ray` in the clone.
"""

from __future__ import annotations

from mmkit.scale.dataset import Answering, Preparing, answer, answer_rows, cluster, prepare, read, run
from mmkit.scale.plan import Plan, Stage, plan, simulate, throughput, workers_to_feed

__all__ = [
    "Answering",
    "Plan",
    "Preparing",
    "Stage",
    "answer",
    "answer_rows",
    "cluster",
    "plan",
    "prepare",
    "read",
    "run",
    "simulate",
    "throughput",
    "workers_to_feed",
]
