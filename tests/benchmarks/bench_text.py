"""How fast BPE is learned and used, against a naive recount and against tokenizers.

    python tests/benchmarks/bench_text.py            all; writes results/text.json
    python tests/benchmarks/bench_text.py --quick    fewer repeats, writes nothing

Ratios of medians; both sides take the same text in the same process, one thread. The naive side is
`mmkit.text.merges_by_recount`, the rule as published.
The texts are random, seeded: words of a Zipf-like vocabulary for English, clauses of Zipf-like characters for
Chinese, where almost no chunk occurs twice, which is the hard case.
"""

from __future__ import annotations

import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from mmkit import text

RESULTS = Path(__file__).parent / "results" / "text.json"
COMMAND = "python tests/benchmarks/bench_text.py"
NAIVE = {"bytes": 100_000, "merges": 300}
LARGE = {"bytes": 1_000_000, "merges": 1_000}


def english(size: int) -> str:
    rng = random.Random("english")
    starts = ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "w"]
    ends = ["a", "e", "i", "o", "u", "ea", "an", "er", "in", "on"]
    syllables = [start + end for start in starts for end in ends]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    return " ".join(rng.choices(words, weights, k=size // 4))[:size]


def chinese(size: int) -> str:
    rng = random.Random("chinese")
    characters = [chr(0x4E00 + each) for each in rng.sample(range(6000), 2500)]
    weights = [1 / (rank + 5) for rank in range(len(characters))]
    parts, length = [], 0
    while length < size:
        clause = "".join(rng.choices(characters, weights, k=rng.randint(3, 15))) + rng.choice("，。")
        parts.append(clause)
        length += 3 * len(clause)
    return "".join(parts)


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def by_tokenizers(corpus: str, merges: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([corpus], trainer)
    return tokenizer


def by_recount(corpus: str, merges: int) -> list:
    return text.merges_by_recount([chunk.encode() for chunk in text.split(corpus)], merges)


def measure(make: Callable[[int], str], repeats: int) -> dict[str, float]:
    small, large = make(NAIVE["bytes"]), make(LARGE["bytes"])
    fast = text.train(small, NAIVE["merges"])
    assert [(a, b) for a, b in fast.merges] == by_recount(small, NAIVE["merges"])
    naive = median_seconds(lambda: by_recount(small, NAIVE["merges"]), max(1, repeats - 2))
    ours = median_seconds(lambda: text.train(small, NAIVE["merges"]), repeats)
    ours_large = median_seconds(lambda: text.train(large, LARGE["merges"]), repeats)
    theirs_large = median_seconds(lambda: by_tokenizers(large, LARGE["merges"]), repeats)
    bpe, tokenizer = text.train(large, LARGE["merges"]), by_tokenizers(large, LARGE["merges"])
    assert bpe.encode(large) == tokenizer.encode(large).ids
    cold = median_seconds(lambda: text.BPE(bpe.tokens, bpe.merges, bpe.specials).encode(large), repeats)
    warm = median_seconds(lambda: bpe.encode(large), repeats)
    theirs = median_seconds(lambda: tokenizer.encode(large), repeats)
    return {
        "train 100 KB, 300 merges: times faster than the naive recount": round(naive / ours, 1),
        "train 1 MB, 1000 merges: times the seconds of tokenizers": round(ours_large / theirs_large, 2),
        "encode 1 MB, new words: times the seconds of tokenizers": round(cold / theirs, 2),
        "encode 1 MB, known words: times the seconds of tokenizers": round(warm / theirs, 2),
    }


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    repeats = 2 if quick else 5
    found = {"English-like": measure(english, repeats), "Chinese-like": measure(chinese, repeats)}
    for name, numbers in found.items():
        print(name)
        for what, value in numbers.items():
            print(f"  {value:8} {what}")
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        record = {"command": COMMAND, "ratios of medians": found}
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
