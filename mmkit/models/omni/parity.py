"""Proof that transformers and vLLM say the same: greedy tokens equal, log-probabilities within a tolerance.

    python -m mmkit.models.omni.parity DIR

    questions(count) -> prompts with none, one or several pictures and clips, in any order
    ask_transformers, ask_vllm -> Said (tokens, logprobs) -> differences

Batched in vLLM, alone in transformers: so batching is proved, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .processing import OmniProcessor

SAMPLE_RATE = 16_000  # Hz


@dataclass(frozen=True)
class Question:
    """A finished prompt and its items."""

    prompt: str
    images: tuple[Image.Image, ...] = ()
    waves: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Said:
    """An answer: its tokens, and the log-probability of each."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


def questions(count: int, seed: int = 0, most: int = 3) -> list[Question]:
    """Random pictures and noises, up to `most` of them in random order, in the chat format."""
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(count):
        pieces, images, waves = [], [], []
        for is_image in rng.random(int(rng.integers(most + 1))) < 0.5:
            if is_image:
                height, width = rng.integers(40, 200, 2)
                images.append(Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)))
                pieces.append(OmniProcessor.image_token)
            else:
                waves.append(rng.normal(0, 0.1, int(rng.integers(2_000, 40_000))).astype(np.float32))
                pieces.append(OmniProcessor.audio_token)
        words = rng.choice(["what", "is", "it", "one", "two", "left", "colour"], 3)
        prompt = f"<|im_start|>user\n{''.join(pieces)}{' '.join(words)}?<|im_end|>\n<|im_start|>assistant\n"
        asked.append(Question(prompt, tuple(images), tuple(waves)))
    return asked


def ask_transformers(folder: str | Path, asked: Sequence[Question], max_tokens: int = 12) -> list[Said]:
    """Greedy answers by `generate`, one question at a time."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from .plugin import register_transformers

    register_transformers()
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    said = []
    for question in asked:
        inputs = processor(images=question.images, text=question.prompt, audio=question.waves)
        out = model.generate(
            **inputs, max_new_tokens=max_tokens, do_sample=False, return_dict_in_generate=True, output_logits=True
        )
        tokens = out.sequences[0, inputs.input_ids.shape[1] :].tolist()
        steps = torch.cat(out.logits).log_softmax(-1)  # tokens vocabulary
        said.append(Said(tuple(tokens), tuple(steps[range(len(tokens)), tokens].tolist())))
    return said


def ask_vllm(llm: Any, asked: Sequence[Question], max_tokens: int = 12) -> list[Said]:
    """Greedy answers by a running vLLM `LLM`, all questions in one batch."""
    from vllm import SamplingParams

    prompts = []
    for question in asked:
        items = {"image": list(question.images), "audio": [(wave, SAMPLE_RATE) for wave in question.waves]}
        data = {modality: values for modality, values in items.items() if values}
        prompts.append({"prompt": question.prompt, **({"multi_modal_data": data} if data else {})})
    sampling = SamplingParams(temperature=0, max_tokens=max_tokens, logprobs=0)
    said = []
    for output in llm.generate(prompts, sampling, use_tqdm=False):
        tokens = tuple(output.outputs[0].token_ids)
        steps = zip(output.outputs[0].logprobs, tokens, strict=True)
        said.append(Said(tokens, tuple(step[token].logprob for step, token in steps)))
    return said


def start_vllm(folder: str | Path, **arguments: Any) -> Any:
    """A vLLM `LLM` on a CPU, set up for exactness."""
    from vllm import LLM

    settings = {"dtype": "float32", "max_model_len": 1024, "max_num_seqs": 8, "enforce_eager": True,
                "kv_cache_memory_bytes": 64 << 20, "gpu_memory_utilization": 0.1, "use_tqdm_on_load": False,
                "limit_mm_per_prompt": {"image": 3, "audio": 3}}  # fmt: skip
    return LLM(model=str(folder), **(settings | arguments))


def differences(ours: Sequence[Said], theirs: Sequence[Said], atol: float = 1e-4) -> list[str]:
    """What differs, a line each; empty where the two sides agree."""
    found = []
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a.tokens != b.tokens:
            found.append(f"question {i}: tokens {a.tokens} and {b.tokens}")
            continue
        off = float(np.abs(np.subtract(a.logprobs, b.logprobs)).max(initial=0.0))
        if off > atol:
            found.append(f"question {i}: log-probabilities {off:.1e} apart")
    return found


def main(folder: str, count: int = 24) -> int:
    """Print what differs; exit code 1 if anything does."""
    from .plugin import register

    register()
    asked = questions(count)
    found = differences(ask_transformers(folder, asked), ask_vllm(start_vllm(folder), asked))
    print("\n".join(found) or f"{count} questions: the same tokens, log-probabilities within 1e-4")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
