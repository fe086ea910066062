"""The shipped speech models in real vLLM: the same tokens as transformers, on 100 clips of reserved voices.

Oracle: transformers' own classes, greedy, on the same folder. Needs espeak-ng, to speak the reserved clips.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmkit import shipped
from mmkit.audio import Clip, at_rate, load_audio
from mmkit.errors import LimitExceeded, MediaError
from mmkit.preprocessor import MultiModalSample
from mmkit.zoo.audio.evaluate import held_out
from mmkit.zoo.audio.whisper import PROMPT
from mmkit.zoo.worlds import speech

COUNT = 100
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not speech.have_espeak(), reason="espeak-ng is not installed"),
]


@pytest.fixture(scope="module")
def clips() -> list:
    """Half of them clean, half with noise 15 dB below the voice; every fifth a simple sound."""
    reserved = speech.reserved_clips()
    chosen = held_out(reserved, None, 40) + held_out(reserved, 15, 80)[1::2]
    rng = np.random.default_rng(4)
    names = list(speech.MAKERS) * 4
    return chosen + [(speech.MAKERS[name](rng), speech.Truth(sound=name)) for name in names]


def ask(name: str, samples: list[MultiModalSample]) -> tuple[list, list[str]]:
    """vLLM's answers, and the prompts that it was given."""
    from mmkit.engine import Engine

    with Engine(name) as engine:
        prompts = [engine.preprocessor.to_prompt(sample).text for sample in samples]
        return engine.answer(samples, max_tokens=20), prompts


def folder(name: str) -> Path:
    path = shipped.models_folder() / name
    if not (path / "config.json").is_file():
        pytest.skip(f"{name} is not in data/models")
    return path


def without_end(ids, end: int) -> list[int]:
    """Token ids up to the end token."""
    ids = list(ids)
    return ids[: ids.index(end)] if end in ids else ids


@pytest.fixture(scope="module")
def writer():
    from mmkit.engine import Engine

    folder("tiny-whisper")
    with Engine("tiny-whisper") as engine:
        yield engine


@pytest.fixture(scope="module")
def transcripts(writer, clips):
    samples = [MultiModalSample("", audios=[Clip(wave, speech.SAMPLE_RATE)]) for wave, _ in clips]
    return writer.answer(samples, max_tokens=20)


def test_a_recording_of_any_length_is_transcribed(writer):
    """Three utterances with pauses, longer than the window: each is written down, in order."""
    names = {"three_one_four.wav": "three one four", "seven_two_fast.ogg": "seven two", "stop.flac": "stop"}
    pause = np.zeros(16_000, np.float32)
    data = shipped.models_folder().parent
    parts = [part for name in names for part in (pause, at_rate(load_audio(data / name), 16_000).wave)]
    long = Clip(np.concatenate(parts), 16_000)
    with pytest.raises(LimitExceeded):
        writer.ask("", audios=[long])
    answer = writer.transcribe(long, seconds=2)
    assert answer.text == " ".join(names.values())
    assert "cut into 3 pieces" in answer.notes[-1]
    assert 0 < answer.confidence <= 1
    silent = writer.transcribe(Clip(np.zeros(200_000, np.float32), 16_000))
    assert (silent.text, silent.token_ids) == ("", ())


def test_a_broken_recording_is_a_typed_error(writer):
    with pytest.raises(MediaError):
        writer.transcribe(b"RIFF....WAVE")


def test_tiny_whisper_says_the_same_in_vllm(clips, transcripts):
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    path, answers = folder("tiny-whisper"), transcripts
    processor = WhisperProcessor.from_pretrained(path)
    model = WhisperForConditionalGeneration.from_pretrained(path).eval()
    features = processor(
        audio=[wave for wave, _ in clips], sampling_rate=speech.SAMPLE_RATE, return_tensors="pt"
    ).input_features
    generated = model.generate(features, max_new_tokens=20)
    end, start = processor.tokenizer.eos_token_id, processor.tokenizer.convert_tokens_to_ids(list(PROMPT))
    assert len(answers) == COUNT
    for answer, ids in zip(answers, generated.tolist(), strict=True):
        said = ids[len(start) :] if ids[: len(start)] == start else ids
        assert without_end(answer.token_ids, end) == without_end(said, end)


def test_tiny_whisper_transcribes(clips, transcripts):
    right = [answer.text == truth.spoken for answer, (_, truth) in zip(transcripts, clips, strict=True)]
    assert np.mean(right) > 0.85


def test_tiny_qwen2_audio_says_the_same_in_vllm(clips):
    import torch
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    path = folder("tiny-qwen2-audio")
    asked, samples = [], []
    for i, (wave, truth) in enumerate(clips):
        tasks = sorted(speech.answers(truth).items())
        task, right = tasks[i % len(tasks)]
        question = speech.QUESTIONS[task][i % len(speech.QUESTIONS[task])]
        asked.append(right)
        samples.append(MultiModalSample(question, audios=[Clip(wave, speech.SAMPLE_RATE)]))
    answers, prompts = ask("tiny-qwen2-audio", samples)
    processor = AutoProcessor.from_pretrained(path)
    model = Qwen2AudioForConditionalGeneration.from_pretrained(path).eval()
    end = model.generation_config.eos_token_id
    for answer, prompt, (wave, _) in zip(answers, prompts, clips, strict=True):
        inputs = processor(text=[prompt], audio=[wave], sampling_rate=speech.SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(**inputs, max_new_tokens=20, do_sample=False)[0]
        assert answer.prompt_tokens == inputs["input_ids"].shape[1]
        said = ids[inputs["input_ids"].shape[1] :].tolist()
        assert without_end(answer.token_ids, end) == without_end(said, end)
    right = [answer.text == want for answer, want in zip(answers, asked, strict=True)]
    assert np.mean(right) > 0.85
