"""What the usual mistakes of preprocessing cost, in answers of the shipped models.

    python tests/benchmarks/bench_mistakes.py            writes results/mistakes.json
    python tests/benchmarks/bench_mistakes.py --quick    few examples, writes nothing

text      questions lower-cased and without punctuation, as many articles clean them
picture   squeezed to 224 x 224, with ImageNet's mean and standard deviation, for every model
sound     the article's mel recipe (128 bands, n_fft 2048, hop 512, no logarithm), step by step
missing   a picture that is not there is left out, and the question asked without it
padding   prompts of token ids filled up to the longest, handed to vLLM

Examples that no training saw: scenes of the second renderer, the voices that are kept for tests. Exact answers
through vLLM, but for retrieval and Whisper's features, which transformers takes. The same pictures and questions
with and without each mistake.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmkit import MultiModalPreprocessor, MultiModalSample, shipped
from mmkit.answers import Sampling
from mmkit.engine import Engine, for_vllm, suppress_output
from mmkit.image import denormalize, normalize
from mmkit.recipes import CLIP
from mmkit.zoo.clip import evaluate as retrieval
from mmkit.zoo.worlds import second_renderer, shapes, speech

RESULTS = Path(__file__).parent / "results" / "mistakes.json"
COMMAND = "python tests/benchmarks/bench_mistakes.py"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINDS = ("color", "count", "where", "is_there")


def scenes(number: int) -> list[tuple[np.ndarray, list[shapes.Question]]]:
    """Pictures of many shapes of frame, with a question of each kind that has an answer."""
    rng, noise = random.Random("mistakes"), np.random.default_rng(18)
    found = []
    for _ in range(number):
        width, height = rng.choice([(112, 112), (168, 84), (84, 168), (224, 112), (112, 196)])
        scene = shapes.sample_scene(rng, width, height)
        asked = [shapes.ask(rng, scene, kind, 0) for kind in KINDS]
        found.append((second_renderer.draw_scene(scene, noise), [question for question in asked if question]))
    return found


def share(said: Sequence[Any], wanted: Sequence[Any]) -> float:
    return round(float(np.mean([a == b for a, b in zip(said, wanted, strict=True)])), 4)


def clean(text: str) -> str:
    """As the article does it: word characters and spaces stay, in lower case."""
    return re.sub(r"[^\w\s]", "", text).lower()


def squeezed(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BILINEAR))


def with_imagenet(picture: np.ndarray) -> np.ndarray:
    """Pixels that CLIP's numbers normalize to what ImageNet's make of the picture (but for clipping to bytes)."""
    return denormalize(normalize(picture, *IMAGENET), CLIP.mean, CLIP.std)


def ask_all(engine: Engine, asked: Sequence[tuple[Any, str]]) -> list[str]:
    samples = [MultiModalSample(text, () if picture is None else (picture,)) for picture, text in asked]
    return [getattr(answer, "text", "an error") for answer in engine.answers(samples, max_tokens=12)]


def pictures_and_text(number: int) -> dict[str, Any]:
    looks = scenes(number)
    pairs = [(picture, question) for picture, questions in looks for question in questions]
    wanted = [question.answer for _, question in pairs]
    with Engine("tiny-qwen2-vl", quiet=True) as engine:

        def measured(change: Callable[[np.ndarray, str], tuple[Any, str]]) -> float:
            return share(ask_all(engine, [change(picture, q.text) for picture, q in pairs]), wanted)

        right = measured(lambda picture, text: (picture, text))
        found = {
            "questions": len(pairs),
            "right": right,
            "text cleaned": measured(lambda picture, text: (picture, clean(text))),
            "squeezed": measured(lambda picture, text: (squeezed(picture), text)),
            "squeezed, ImageNet": measured(lambda picture, text: (with_imagenet(squeezed(picture)), text)),
            "ImageNet": measured(lambda picture, text: (with_imagenet(picture), text)),
            "picture left out": measured(lambda picture, text: (None, text)),
        }
        without = ask_all(engine, [(None, question.text) for _, question in pairs])
        found["picture left out, answered all the same"] = share(
            [bool(text) for text in without], [True] * len(pairs)
        )
        return found | padding(engine, pairs)


def padding(engine: Engine, pairs: Sequence[tuple[Any, shapes.Question]]) -> dict[str, float]:
    """Token ids padded to the longest prompt, as a batch for transformers is; and each at its own length."""
    pre = engine.preprocessor
    prompts = [pre.to_prompt(MultiModalSample(q.text, (picture,))) for picture, q in pairs]
    ids = [pre.tokenizer(prompt.text).input_ids for prompt in prompts]
    longest = max(map(len, ids)) + 8  # "max_length" fills up further still
    wanted = [question.answer for _, question in pairs]

    def run(fill: Callable[[list[int], list[int]], list[int]]) -> float:
        asked = []
        for prompt, tokens in zip(prompts, ids, strict=True):
            pads = [pre.pad_id] * (longest - len(tokens))
            given = prompt.for_vllm() | {"prompt_token_ids": fill(tokens, pads)}
            asked.append({key: value for key, value in given.items() if key != "prompt"})
        with suppress_output():
            outputs = engine.llm.generate(asked, for_vllm(Sampling(max_tokens=12)), use_tqdm=False)
        return share([output.outputs[0].text.strip() for output in outputs], wanted)

    return {
        "token ids, no padding": run(lambda tokens, pads: tokens),
        "padded on the left": run(lambda tokens, pads: pads + tokens),
        "padded on the right": run(lambda tokens, pads: tokens + pads),
    }


@torch.no_grad()
def found_pictures(sets: int) -> dict[str, Any]:
    """tiny-clip's recall@1: as its processor does it, through 224 x 224, with ImageNet's numbers."""
    from transformers import AutoProcessor, CLIPModel

    folder = shipped.resolve("tiny-clip")
    model, right = (
        CLIPModel.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoProcessor.from_pretrained(folder),
    )
    side = right.image_processor.size["shortest_edge"]

    def recall(spoil: Callable[[np.ndarray], np.ndarray]) -> float:
        def draw(scene: shapes.Scene, noise: np.random.Generator) -> np.ndarray:
            return spoil(second_renderer.draw_scene(scene, noise))

        found = retrieval.recall_of(model, right, draw, random.Random("mistakes"), sets)
        return round(float(np.mean(list(found.values()))), 4)

    def down_and_up(picture: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(squeezed(picture)).resize((side, side), Image.Resampling.BILINEAR))

    return {"right": recall(lambda p: p), "squeezed": recall(down_and_up), "ImageNet": recall(with_imagenet)}


@torch.no_grad()
def heard(number: int) -> dict[str, Any]:
    """tiny-whisper's word errors on the voices kept for tests: its own features, then the article's, by steps."""
    from torchaudio.functional import edit_distance
    from torchaudio.transforms import MelSpectrogram
    from transformers import AutoProcessor, WhisperForConditionalGeneration

    folder = shipped.resolve("tiny-whisper")
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    extractor = AutoProcessor.from_pretrained(folder)
    recipe = MultiModalPreprocessor("tiny-whisper").family.recipes["audio"]
    rng = random.Random("mistakes")
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    said = [" ".join(rng.choices(words, k=3)) for _ in range(number)]
    waves = [speech.say(text, speech.Voice(rng.choice(sorted(speech.TEST_VOICES)))) for text in said]
    frames, bands = recipe.seconds * recipe.sample_rate // recipe.hop, recipe.n_mels

    def bare(wave: np.ndarray, n_fft: int, hop: int, log: bool) -> torch.Tensor:
        mel = MelSpectrogram(recipe.sample_rate, n_fft, hop_length=hop, n_mels=bands)(torch.from_numpy(wave))
        mel = mel.clamp(min=1e-10).log10() if log else mel
        mel = torch.maximum(mel, mel.max() - 8) / 4 + 1 if log else mel
        return torch.nn.functional.pad(mel, (0, int(frames) - mel.shape[-1]), value=float(mel.min()))

    def errors(features: Callable[[np.ndarray], torch.Tensor]) -> float:
        wrong = 0
        for wave, text in zip(waves, said, strict=True):
            out = model.generate(
                input_features=features(wave)[None], language="en", task="transcribe", max_new_tokens=12
            )
            heard_words = extractor.tokenizer.decode(out[0], skip_special_tokens=True).split()
            wrong += edit_distance(text.split(), heard_words)
        return round(wrong / (3 * number), 4)

    def own(wave: np.ndarray) -> torch.Tensor:
        return extractor(audio=wave, sampling_rate=recipe.sample_rate, return_tensors="pt").input_features[0]

    return {
        "clips": number,
        "bands of the model": bands,
        "bands of the article": 128,
        "right": errors(own),
        "HTK bands, no norm": errors(lambda wave: bare(wave, recipe.n_fft, recipe.hop, True)),
        "no logarithm": errors(lambda wave: bare(wave, recipe.n_fft, recipe.hop, False)),
        "n_fft 2048, hop 512": errors(lambda wave: bare(wave, 2048, 512, True)),
        "all of it": errors(lambda wave: bare(wave, 2048, 512, False)),
    }


def main() -> None:
    quick = "--quick" in sys.argv
    results = {
        "command": COMMAND,
        "tiny-qwen2-vl, exact answers": pictures_and_text(8 if quick else 60),
        "tiny-clip, recall at 1": found_pictures(1 if quick else 6),
        "tiny-whisper, word errors": heard(4 if quick else 40),
    }
    text = json.dumps(results, indent=2)
    print(text)
    if not quick:
        RESULTS.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
