"""Scale: the same rows prepared and answered on many cores and machines, by Ray Data.

    source -> read -> rows -> run (a worker a core or a GPU) -> results -> answer_rows (OUT.jsonl, resumable)

    from mmkit import scale

    with scale.cluster():                                       # this machine; cluster("auto") joins one that runs
        results = scale.prepare("rows.jsonl", "tiny-qwen2-vl", workers=2)         # what `mmkit check` finds
        results = scale.answer("shards/", "tiny-qwen2-vl", workers=2)             # what `mmkit answer` says
        for row in results.iter_rows():                                           # a ray.data.Dataset, streamed
            print(row["position"], row["row_id"], row["answer"], row["error_type"], row["error_message"])
        counts = scale.answer_rows("shards/", Path("out.jsonl"), scale.Answering("tiny-qwen2-vl"))

    plan.simulate(stages, workers)   what so many workers would do, from what one was measured to do

One result per row, with its position, its id and its error, whatever happens to a row or to a machine; in the order
of the source unless ordered=False. What travels is text and encoded bytes, or paths (then on a file system that all
machines share); a worker decodes. `dataset.py` holds the way of the rows, `plan.py` the model of a cluster.
Needs Ray: pip install "mmkit[scale]", or `make ray` in the clone.
"""

from __future__ import annotations

from mmkit.scale.dataset import Answering, Preparing, answer, answer_rows, cluster, prepare, read, run

__all__ = ["Answering", "Preparing", "answer", "answer_rows", "cluster", "prepare", "read", "run"]
