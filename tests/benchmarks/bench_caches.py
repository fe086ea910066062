"""What vLLM's caches and its batches save, and when.

    python tests/benchmarks/bench_caches.py            writes results/caches.json
    python tests/benchmarks/bench_caches.py --quick    fewer rounds, writes nothing

repeats    a picture that was seen before, by engines with no cache, with the processor's, and with that of prefixes
           too; at the shipped model's budget of pixels and at the one that Qwen2-VL publishes
pictures   what an answer costs by the size of a new picture
batches    32 prompts in one call against one at a time, by the length of the answers; and steps of 1 to 64 prompts
lengths    continuous batching against transformers' generate on batches of 8, per token that somebody wanted

CPU time of one thread, sides in rotating order, medians. Answers have a fixed length (ignore_eos). Pictures are
noise, new ones drawn before the clock starts. The larger model has random weights: only its size matters here.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from timing import interleaved

from mmkit import shipped
from mmkit.engine import Settings, llm_arguments, set_environment, suppress_output
from mmkit.recipes import QWEN2_VL

RESULTS = Path(__file__).parent / "results" / "caches.json"
COMMAND = "python tests/benchmarks/bench_caches.py"
MODEL = shipped.resolve("tiny-qwen2-vl")
PUBLISHED = {"shortest_edge": QWEN2_VL.resize.min_pixels, "longest_edge": QWEN2_VL.resize.max_pixels}
TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
QUESTION = "How many shapes are there?"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
CACHES = {
    "no cache": {"mm_processor_cache_gb": 0, "enable_prefix_caching": False},
    "processor cache": {"enable_prefix_caching": False},
    "processor and prefix cache": {},
}
rng = np.random.default_rng(0)


def start(model: str = MODEL, **changes: Any) -> Any:
    """A vLLM engine with mmkit's settings for this machine, some of them changed."""
    set_environment(model)
    with suppress_output():
        from vllm import LLM

        arguments = llm_arguments(model, Settings(max_model_len=2048, max_num_seqs=64), ("image",))
        return LLM(model=model, **arguments | changes)


def stop(llm: Any) -> None:
    with suppress_output():
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        llm.llm_engine.engine_core.shutdown()
        cleanup_dist_env_and_memory()


def answer(llm: Any, prompts: Sequence[dict], lengths: Sequence[int]) -> None:
    """Greedy answers of just these lengths."""
    from vllm import SamplingParams

    wanted = [SamplingParams(temperature=0, max_tokens=n, ignore_eos=True) for n in lengths]
    with suppress_output():
        llm.generate(prompts, wanted, use_tqdm=False)


def answer_next(llm: Any, batches: Iterator[list[dict]], lengths: Sequence[int], alone: bool = False) -> None:
    """The same to prompts that no cache has seen, in one call or one by one."""
    prompts = next(batches)
    for part in [[one] for one in prompts] if alone else [prompts]:
        answer(llm, part, lengths[: len(part)])


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def prompt(picture: Image.Image | None = None, question: str = QUESTION, name: str | None = None) -> dict:
    if picture is None:
        return {"prompt": TURN.format(question)}
    found: dict = {"prompt": TURN.format(PICTURE + question), "multi_modal_data": {"image": picture}}
    return found | ({"multi_modal_uuids": {"image": [name]}} if name else {})


def repeats(rounds: int) -> list[dict]:
    """Milliseconds of an answer of four tokens about a picture that is new, or has been seen."""
    rows = []
    for budget, size in {"shipped": None, "published": PUBLISHED}.items():
        engines = {
            name: start(**changes, **({"mm_processor_kwargs": {"size": size}} if size else {}))
            for name, changes in CACHES.items()
        }
        for width, height in ((640, 480), (1280, 960)):
            seen = noise(width, height)
            news = iter([[prompt(noise(width, height))] for _ in range(rounds + 2)])
            plain, full = engines["no cache"], engines["processor and prefix cache"]
            sides: dict[str, Callable[[], None]] = {
                name: partial(answer, llm, [prompt(seen)], [4]) for name, llm in engines.items()
            }
            sides["a new picture"] = partial(answer_next, full, news, [4])
            sides["another question"] = partial(answer, full, [prompt(seen, "What color is it?")], [4])
            sides["no cache, but an uuid"] = partial(answer, plain, [prompt(seen, name=f"{width}")], [4])
            ms = interleaved(sides, rounds)
            rows.append(
                {
                    "budget": budget,
                    "picture": f"{width}x{height}",
                    "ms": {name: round(value, 1) for name, value in ms.items()},
                    "times faster than no cache": {
                        name: round(ms["no cache"] / value, 1) for name, value in ms.items() if name != "no cache"
                    },
                }
            )
            print(rows[-1], flush=True)
        for llm in engines.values():
            stop(llm)
    return rows


def pictures(rounds: int) -> dict:
    """Milliseconds of one token about a new picture, by its side in pixels."""
    llm = start(mm_processor_kwargs={"size": PUBLISHED})
    ms = {}
    for side in (112, 224, 336, 448, 672, 896):
        new = [noise(side, side) for _ in range(rounds + 2)]
        spent = []
        for picture in new:
            began = time.process_time()
            answer(llm, [prompt(picture)], [1])
            spent.append(1000 * (time.process_time() - began))
        ms[side] = round(statistics.median(spent[2:]), 1)
    stop(llm)
    print(ms, flush=True)
    return ms


def batches(rounds: int, count: int = 32) -> dict:
    """Milliseconds a prompt, one at a time and in one call; and those of a step that holds so many prompts."""
    llm = start()
    rows = []
    for what, side in (("text", 0), ("a new picture of 112 x 112", 112)):
        for length in (1, 8, 32, 128):
            repeated = max(3, rounds // (2 if length > 8 else 1))
            turns = range(2 * (repeated + 2))  # of either side, with those that are not counted
            new = iter([[prompt(noise(side, side) if side else None) for _ in range(count)] for _ in turns])
            sides = {
                "alone": partial(answer_next, llm, new, [length] * count, alone=True),
                "together": partial(answer_next, llm, new, [length] * count),
            }
            ms = interleaved(sides, repeated)
            rows.append(
                {
                    "prompt": what,
                    "tokens of an answer": length,
                    "ms a prompt": {name: round(value / count, 2) for name, value in ms.items()},
                    "times faster together": round(ms["alone"] / ms["together"], 1),
                }
            )
            print(rows[-1], flush=True)
    steps = {}
    for size in (1, 2, 4, 8, 16, 32, 64):
        sides = {f"{n}": partial(answer, llm, [prompt()] * size, [n] * size) for n in (8, 40)}
        ms = interleaved(sides, rounds)
        steps[size] = round((ms["40"] - ms["8"]) / 32, 3)
    print(steps, flush=True)
    stop(llm)
    return {"rows": rows, "ms a step of so many prompts": steps}


def larger(folder: str) -> str:
    """A model of 20 million random numbers, in the files of the shipped one."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    config = AutoConfig.from_pretrained(MODEL)
    text = config.text_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 512, 1536, 6
    text.num_attention_heads, text.num_key_value_heads, text.layer_types = 8, 2, ["full_attention"] * 6
    text.rope_parameters["mrope_section"] = [8, 12, 12]
    config.vision_config.hidden_size = 512
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(config, dtype=torch.float32).save_pretrained(folder)
    AutoProcessor.from_pretrained(MODEL).save_pretrained(folder)
    return folder


def in_static_batches(model: Any, tokenizer: Any, texts: list[str], lengths: list[int], size: int = 8) -> None:
    """transformers' generate on batches as they come; each runs until its longest answer is done."""
    import torch

    for at in range(0, len(texts), size):
        given = tokenizer(texts[at : at + size], return_tensors="pt", padding=True, padding_side="left")
        steps = max(lengths[at : at + size])
        with torch.no_grad():
            model.generate(**given, min_new_tokens=steps, max_new_tokens=steps, do_sample=False, pad_token_id=0)


def lengths(rounds: int, count: int = 32) -> list[dict]:
    """Milliseconds for each token that was wanted; both ways hold 8 prompts at a time."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    draw = np.random.default_rng(1)
    texts = [TURN.format(" ".join(draw.permutation(QUESTION.split()))) for _ in range(count)]
    wanted = {
        "all of 32 tokens": [32] * count,
        "mixed (geometric, mean 29, longest 113)": np.clip(draw.geometric(1 / 32, count), 1, 160).tolist(),
        "7 of 8 short (8), one long (128)": [128 if i % 8 == 5 else 8 for i in range(count)],
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in (MODEL, larger(folder)):
            llm, theirs = start(model, max_num_seqs=8), AutoModelForImageTextToText.from_pretrained(model).eval()
            tokenizer = AutoTokenizer.from_pretrained(model)
            size = sum(p.numel() for p in theirs.parameters()) / 1e6
            for what, each in wanted.items():
                sides = {
                    "static": partial(in_static_batches, theirs, tokenizer, texts, each),
                    "continuous": partial(answer, llm, [{"prompt": text} for text in texts], each),
                }
                ms = interleaved(sides, rounds)
                rows.append(
                    {
                        "million weights": round(size, 1),
                        "answers": what,
                        "ms a wanted token": {name: round(value / sum(each), 3) for name, value in ms.items()},
                        "times faster continuous": round(ms["static"] / ms["continuous"], 2),
                    }
                )
                print(rows[-1], flush=True)
            stop(llm)
    return rows


def main() -> None:
    quick = "--quick" in sys.argv
    rounds = 3 if quick else 7
    found = {
        "command": COMMAND,
        "rounds": rounds,
        "repeats": repeats(rounds),
        "pictures: ms by side": pictures(rounds),
        "batches": batches(rounds),
        "lengths": lengths(max(3, rounds // 2)),
    }
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
