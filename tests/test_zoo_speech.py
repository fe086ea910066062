"""The sound world and its models: right by construction, held-out voices held out, forwards equal to transformers.

Oracles: the definition of each sound (spectrum, power), the published Whisper and Qwen2-Audio classes of
transformers, and a naive reading of who may see whom in a packed row. What needs espeak-ng says so when it is
missing; the rest runs without.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmkit import shipped
from mmkit.errors import BackendMissing
from mmkit.zoo.audio import batches, evaluate, forward, qwen2_audio, train, whisper
from mmkit.zoo.audio.train import SpeechConfig
from mmkit.zoo.packing import pack
from mmkit.zoo.recipes import find_task
from mmkit.zoo.scores import weights_hash
from mmkit.zoo.training import Trainer
from mmkit.zoo.worlds import speech
from mmkit.zoo.worlds.speech import COMMANDS, DIGITS, SAMPLE_RATE, TEST_VOICES, TRAIN_VOICES, Truth, Voice

needs_espeak = pytest.mark.skipif(not speech.have_espeak(), reason="espeak-ng is not installed")


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(3)


# Voices


def test_no_test_voice_is_ever_trained_on():
    reserved = ["steph", "travis", "max", "belinda", "linda", "denis"]
    reserved += ["andy", "michael", "shelby", "victor", "m8", "f5"]
    assert sorted(name.lower() for name in TEST_VOICES) == sorted(reserved)
    trained = {name.lower() for name in TRAIN_VOICES}
    assert trained.isdisjoint(reserved)
    twins = {"anxiousandy", "steph2", "steph3", "ricishaymax", "ricishaymax2", "ricishaymax3"}
    assert trained.isdisjoint(twins), "the same voice under another name"


def test_scripts_keep_to_the_variants_they_are_given(rng):
    scripts = [*speech.digit_scripts(300, TRAIN_VOICES, rng), *speech.word_scripts(20, COMMANDS, TRAIN_VOICES, rng)]
    assert {voice.variant for voice, _, _ in scripts} <= set(TRAIN_VOICES)
    assert {len(words) for _, words, _ in scripts} == {1, 2, 3, 4, 5}


def test_repeated_digits_are_frequent(rng):
    strings = [speech.random_digits(rng) for _ in range(500)]
    repeats = sum(any(a == b for a, b in itertools.pairwise(words)) for words in strings)
    assert repeats > 150


@given(st.sampled_from(sorted(speech.MEAN_PITCH)), st.integers(0, 98), st.integers(80, 299))
def test_higher_and_faster_never_sound_lower_or_slower(variant, pitch, speed):
    order = {"low": 0, "slow": 0, None: 1, "high": 2, "fast": 2}
    voice = Voice(variant, pitch=pitch, speed=speed)
    assert order[replace(voice, pitch=pitch + 1).height] >= order[voice.height]
    assert order[replace(voice, speed=speed + 1).tempo] >= order[voice.tempo]


@needs_espeak
def test_say_is_the_same_every_time_and_follows_its_options():
    slow, fast = (speech.trim(speech.say("three one four", Voice("m1", speed=s))) for s in (100, 240))
    again = speech.trim(speech.say("three one four", Voice("m1", speed=100)))
    assert slow.dtype == np.float32
    np.testing.assert_array_equal(slow, again)
    assert len(slow) > 1.8 * len(fast)
    low, high = (fundamental(speech.say("nine nine nine", Voice("m1", pitch=p))) for p in (20, 80))
    assert 60 < low < 100 < high < 200


def fundamental(wave: np.ndarray) -> float:
    """Median over frames of the strongest period between 50 and 400 Hz."""
    found = []
    for frame in np.lib.stride_tricks.sliding_window_view(wave, 1024)[::512]:
        lags = np.correlate(frame, frame, "full")[1023:]
        if lags[0] > 1:
            found.append(SAMPLE_RATE / (40 + np.argmax(lags[40:320])))
    return float(np.median(found))


def test_without_espeak_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not speech.have_espeak()
    with pytest.raises(BackendMissing, match="install it"):
        speech.say("three")


# Simple sounds


def dominant(wave: np.ndarray) -> float:
    """The frequency of the strongest bin, in Hz."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 15))
    return float(np.argmax(spectrum) * SAMPLE_RATE / (1 << 15))


@pytest.mark.parametrize("seed", range(8))
def test_simple_sounds_are_what_they_are_called(seed):
    made = {name: make(np.random.default_rng(seed)) for name, make in speech.MAKERS.items()}
    parts = {name: (wave[: len(wave) // 3], wave[-(len(wave) // 3) :]) for name, wave in made.items()}
    start, end = map(dominant, parts["beep"])
    assert abs(start / end - 1) < 0.05
    start, end = map(dominant, parts["rise"])
    assert end > 1.15 * start
    start, end = map(dominant, parts["fall"])
    assert start > 1.15 * end
    assert not made["hush"].any()
    assert 0.15 < np.sqrt(np.mean(made["hiss"] ** 2)) < 0.25
    for wave in made.values():
        assert wave.dtype == np.float32
        assert np.abs(wave).max(initial=0) <= 1.5
        assert 0.1 < len(wave) / SAMPLE_RATE < speech.MAX_SECONDS


@given(st.floats(-5, 40), st.floats(0, 2), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_noise_is_as_loud_as_the_ratio_says(snr, tilt, seed):
    tone = np.sin(np.arange(16_000) * 0.3).astype(np.float32)
    how = speech.Disturbance(snr=snr, tilt=tilt)
    noise = speech.disturb(tone, how, np.random.default_rng(seed)) - tone
    measured = 10 * np.log10(np.mean(tone**2) / np.mean(noise**2))
    assert abs(measured - snr) < 0.1


@given(st.integers(1, 90_000), st.floats(0, 1), st.floats(0, 1), st.floats(0.9, 1.1))
@settings(max_examples=25, deadline=None)
def test_no_clip_is_longer_than_the_window(length, lead, tail, stretch):
    how = speech.Disturbance(stretch=stretch, lead=lead, tail=tail, gain=0.5, snr=20)
    wave = speech.disturb(np.ones(length, np.float32), how, np.random.default_rng(0))
    assert len(wave) <= speech.MAX_SECONDS * SAMPLE_RATE
    assert np.isfinite(wave).all()


# Questions and answers


@given(st.lists(st.sampled_from(DIGITS), min_size=1, max_size=5), st.sampled_from(["slow", "fast", None]))
def test_answers_to_digit_strings_follow_from_the_words(words, tempo):
    said = speech.answers(Truth(tuple(words), tempo, "high"))
    assert said["transcribe"].split() == words
    assert DIGITS.index(said["count"]) == len(words)
    assert said["ends"] == f"{said['first']} and {said['last']}" == f"{words[0]} and {words[-1]}"
    assert said["speech"] == "yes"
    assert ("word" in said) == (len(words) == 1)
    assert ("caption" in said) == (tempo is not None)
    if tempo:
        assert said["caption"].startswith(f"a {tempo} high voice says {said['count']} word")


def test_answers_about_commands_and_sounds():
    assert speech.answers(Truth(("stop",)))["word"] == "stop"
    assert speech.answers(Truth(("stop",)))["count"] == "zero"
    said = speech.answers(Truth(sound="fall"))
    assert said == {"transcribe": "no speech", "speech": "no", "caption": "a falling tone", "count": "zero"}
    for truth in (Truth(("one",), "fast", "low"), Truth(sound="beep")):
        assert set(speech.answers(truth)) <= set(speech.QUESTIONS)


def test_no_question_has_two_meanings():
    questions = [question for group in speech.QUESTIONS.values() for question in group]
    assert len(questions) == len(set(questions))


# Clips in one array


def small_corpus() -> speech.Clips:
    """Tones in the place of speech: a voice each for DIGITS and COMMANDS, and five phrases."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2_000, 8_000, 44)
    pcm = (rng.standard_normal(lengths.sum()) * 3000).astype(np.int16)
    voices = tuple(Voice("m1" if i < 22 else "f2", speed=100 if i < 22 else 240) for i in range(44))
    words = tuple((word,) for word in train.WORDS * 2)
    return speech.Clips(pcm, np.cumsum([0, *lengths]), voices, words)


def test_clips_survive_saving_without_pickle(tmp_path):
    clips = small_corpus()
    clips.save(tmp_path / "clips.npz")
    again = speech.Clips.load(tmp_path / "clips.npz")
    assert again.voices == clips.voices
    assert again.words == clips.words
    for i in (0, 43):
        np.testing.assert_array_equal(again.wave(i), clips.wave(i))


def test_sampler_tells_the_truth_about_what_it_joins():
    sampler = batches.Sampler(small_corpus(), small_corpus(), np.random.default_rng(5))
    for _ in range(50):
        words = speech.random_digits(sampler.rng)[:3]
        wave, truth = sampler.joined(words)
        assert truth.words == words
        assert (truth.tempo, truth.height) in {("slow", "low"), ("fast", None)}
        assert len(wave) <= (speech.MAX_SECONDS - 0.5) * SAMPLE_RATE
    groups = sampler.batches(8)
    assert sorted(map(len, groups)) == [8, 8, 8, 8]
    spans = sorted((min(len(w) for w, _ in g), max(len(w) for w, _ in g)) for g in groups)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), "batches must hold clips of like length"


# Features and forwards


@pytest.fixture(scope="module")
def clips(rng) -> list:
    """Waves of odd lengths with a truth for each; what they sound like does not matter here."""
    waves = [rng.standard_normal(n).astype(np.float32) * 0.1 for n in (1_600, 23_457, 40_000)]
    waves[1][:8_000] = 0
    return list(
        zip(waves, [Truth(("one", "one")), Truth(sound="hiss"), Truth(("go",), "slow", "low")], strict=True)
    )


@pytest.fixture(scope="module")
def qwen():
    return train.Qwen2AudioTask(SpeechConfig(seed=1)).forward


@pytest.fixture(scope="module")
def listener():
    return train.WhisperTask(SpeechConfig(seed=1)).forward


def test_batch_log_mel_equals_the_published_extractor(clips, qwen, listener):
    waves = [wave for wave, _ in clips]
    short, frames = forward.batch_log_mel(waves, qwen.filters)
    for i, wave in enumerate(waves):
        want = qwen.processor.feature_extractor(
            wave, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        )
        torch.testing.assert_close(short[i], want["input_features"][0, :, : short.shape[2]], rtol=0, atol=1e-6)
        assert frames[i] == want["attention_mask"].sum()
    full, _ = forward.batch_log_mel(waves, listener.filters, listener.frames)
    want = listener.processor(audio=waves, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
    torch.testing.assert_close(full, want, rtol=0, atol=1e-6)


def test_packed_forward_equals_transformers(clips, qwen):
    asked = [("What is said?", "one one"), ("Is anyone speaking?", "yes")]
    with torch.inference_mode():
        states, tokens = qwen.encode(*forward.batch_log_mel([w for w, _ in clips], qwen.filters))
        counts = tokens.tolist()
        rows = [qwen.row(i, counts[i], asked, qwen2_audio.SYSTEM) for i in (0, 1)]
        rows += [qwen.row(2, counts[2], [("", "no speech")], qwen2_audio.SYSTEM, before="What is said?")]
        packed = pack(rows)
        ours = qwen.logits(qwen.project(states), packed)
    sound, ask = {"type": "audio"}, [{"type": "text", "text": q} for q, _ in asked]
    contents = [[[sound, part] for part in ask]] * 2 + [[[ask[0], sound]]]
    replies = [[a for _, a in asked]] * 2 + [["no speech"]]
    for row, ((wave, _), messages, texts) in enumerate(zip(clips, contents, replies, strict=True)):
        for branch, (content, reply) in enumerate(zip(messages, texts, strict=True)):
            prompt = qwen.processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
            inputs = qwen.processor(
                text=[prompt + reply + "<|im_end|>"], audio=[wave], sampling_rate=SAMPLE_RATE, return_tensors="pt"
            )
            with torch.inference_mode():
                want = qwen.model(**inputs).logits[0]
            mine = ours[[owner[:2] == (row, branch) for owner in packed.owner]]
            torch.testing.assert_close(mine, want[-len(mine) - 1 : -1], rtol=0, atol=1e-5)


def test_whisper_logits_equal_transformers(clips, listener):
    waves, truths = zip(*clips, strict=True)
    ids, target = listener.targets(truths)
    features, _ = forward.batch_log_mel(waves, listener.filters, listener.frames)
    with torch.inference_mode():
        ours, _ = listener.logits(features, ids)
        want = listener.model(input_features=features, decoder_input_ids=ids).logits
    torch.testing.assert_close(ours, want, rtol=0, atol=1e-5)
    words = [listener.tokenizer.decode(row[row >= 0], skip_special_tokens=True) for row in target]
    assert words == ["one one", "", "go"]
    assert (target[:, len(whisper.PROMPT) - 1] != -100).all(), "the first answer token is predicted by the prompt"


def test_greedy_answers_are_judged_as_generate_would(clips, listener):
    """`judge` compares teacher-forced argmax with the target: exactly when greedy decoding gives the target."""
    features, _ = forward.batch_log_mel([w for w, _ in clips], listener.filters, listener.frames)
    generated = listener.model.generate(features, language="en", task="transcribe", max_new_tokens=8)
    texts = listener.tokenizer.batch_decode(generated, skip_special_tokens=True)
    want = [text == truth.spoken for text, (_, truth) in zip(texts, clips, strict=True)]
    assert listener.judge(clips)["transcribe"] == want


# Tokenizers, processors, folders


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=60, deadline=None)
def test_tokenizers_can_write_any_text(qwen, listener, text):
    ids = qwen.tokenizer(text)["input_ids"]
    assert qwen.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    ids = listener.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert listener.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("word", train.WORDS)
def test_a_word_that_is_an_answer_is_one_token(qwen, listener, word):
    for tokenizer in (qwen.tokenizer, listener.tokenizer):
        assert len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1
    if word in DIGITS:
        assert len(qwen.tokenizer(f"{word} {word}")["input_ids"]) == 2


@pytest.mark.parametrize("name", ["tiny-qwen2-audio", "tiny-whisper"])
def test_a_saved_folder_is_small_and_loads_unchanged(name, tmp_path, clips):
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration, WhisperForConditionalGeneration

    task = find_task(name)(SpeechConfig(seed=2))
    task.save(tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size <= 6_000_000
    kind = Qwen2AudioForConditionalGeneration if "qwen2" in name else WhisperForConditionalGeneration
    model, info = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for key, value in task.model.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=0, atol=0)
    processor = AutoProcessor.from_pretrained(tmp_path)
    template = processor if "qwen2" in name else processor.tokenizer  # WhisperProcessor keeps none of its own
    prompt = template.apply_chat_template(
        [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "What is said?"}]}],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert prompt.count("<|AUDIO|>") == ("qwen2" in name)
    assert prompt.endswith("assistant\n" if "qwen2" in name else "<|notimestamps|>")


def test_weights_carry_the_names_that_vllm_reads(tmp_path, qwen):
    from safetensors import safe_open

    qwen2_audio.save(qwen.model, qwen.processor, tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert "language_model.model.embed_tokens.weight" in names
    assert not any(name.startswith("language_model.model.model.") for name in names)


def test_tiny_whisper_can_begin_with_the_encoder_of_tiny_qwen2_audio(tmp_path, qwen, clips):
    qwen2_audio.save(qwen.model, qwen.processor, tmp_path)
    task = train.WhisperTask(SpeechConfig(seed=3))
    task.start(tmp_path)
    ours, theirs = task.model.model.encoder.state_dict(), qwen.model.model.audio_tower.state_dict()
    torch.testing.assert_close(ours["layers.2.fc1.weight"], theirs["layers.2.fc1.weight"], rtol=0, atol=0)
    assert len(ours["embed_positions.weight"]) == 250


def test_both_models_are_saved_with_one_encoder(tmp_path, clips):
    from transformers import WhisperForConditionalGeneration

    task = train.SpeechPairTask(SpeechConfig(seed=4))
    found = task.judge(clips)
    assert len(found["whisper"]) == len(found["transcribe"]) == 3
    batch = batches.question_batch(task.forward, clips, np.random.default_rng(0))
    _, alone = train.Qwen2AudioTask(SpeechConfig(seed=4)).loss(batch, 0.0)
    _, both = task.loss(batch, 0.0)
    assert both["answer"] > alone["answer"] + 1, "tiny-whisper's loss is missing"
    task.save(tmp_path)
    saved = WhisperForConditionalGeneration.from_pretrained(tmp_path / "tiny-whisper").model.encoder
    tower = task.forward.model.model.audio_tower
    for name, tensor in tower.layers.state_dict().items():
        torch.testing.assert_close(saved.layers.state_dict()[name], tensor, rtol=0, atol=0)
    again = train.SpeechPairTask(SpeechConfig(seed=5))
    again.start(tmp_path)
    assert again.judge(clips) == found


# Training


class OneBatch:
    """A sampler that always gives the same clips."""

    def __init__(self):
        sampler = batches.Sampler(small_corpus(), small_corpus(), np.random.default_rng(0))
        self.clips = sorted((sampler.draw() for _ in range(16)), key=lambda clip: len(clip[0]))[:4]

    def batches(self, size, count=4):
        return [self.clips] * count


@pytest.mark.parametrize("name", ["tiny-speech", "tiny-qwen2-audio", "tiny-whisper"])
def test_a_few_steps_learn_one_batch(name, tmp_path, monkeypatch):
    """Mutation check: with the optimizers' step left out, the loss does not move and this fails."""
    kind = find_task(name)
    monkeypatch.setattr(kind, "sampler", OneBatch())
    trainer = Trainer(kind(SpeechConfig(steps=100, warm_up=1)), tmp_path / "m")
    losses = [trainer.advance()["answer"] for _ in range(12)]
    assert losses[-1] < 0.5 * losses[0]


def test_traits_loss_counts_what_is_known_within_each_clip():
    truths = [Truth(("one",), "fast", None), Truth(sound="beep"), Truth(("go",), "slow", "high")]
    lengths = torch.tensor([3, 5, 2])
    scores = torch.zeros(3, 5, 4)
    assert train.traits_loss(scores, lengths, truths).item() == pytest.approx(2 * np.log(2))
    scores[0, :3, 1] = scores[2, :2, 0] = scores[2, :2, 3] = 30  # fast; slow and high
    scores[0, 3:, 0] = scores[2, 2:, 1] = 300  # after the end
    assert train.traits_loss(scores, lengths, truths).item() < 1e-6
    assert train.traits_loss(scores, lengths, truths[1:2] * 3) == 0


# Scores


def test_scores_count_exact_answers(listener, monkeypatch):
    clips = [(np.zeros(n, np.float32), Truth(("one",))) for n in (3_000, 1_000, 2_000)]
    clips += [(np.zeros(500, np.float32), Truth(("go",))), (np.zeros(500, np.float32), Truth(sound="beep"))]
    monkeypatch.setattr(listener, "judge", lambda batch: {"transcribe": [len(w) > 1_000 for w, _ in batch]})
    scores = evaluate.score(listener, clips, batch=2)
    assert scores["digit strings"] == {"transcribe": 0.6667}
    assert scores["command words"] == scores["simple sounds"] == {"transcribe": 0.0}
    shown = evaluate.summary({"clean": scores, "noise at 15 dB": scores})
    assert shown["digit strings, noise at 15 dB"] == 0.6667
    assert list(shown)[:2] == ["digit strings", "command words"]


def test_sounds_for_the_scores_are_not_those_of_the_training(rng):
    told = {truth.sound for _, truth in evaluate.simple_sounds(None, per_sound=2)}
    assert told == set(speech.SOUNDS)
    noisy = [wave for wave, _ in evaluate.simple_sounds(10.0, per_sound=2)]
    assert all(np.abs(wave).max() > 0 for wave in noisy)


@pytest.mark.parametrize(
    ("name", "goals"),
    [
        ("tiny-qwen2-audio", {"digit strings": 0.95, "command words": 0.97, "captions of voices": 0.90}),
        ("tiny-whisper", {"digit strings": 0.95, "command words": 0.97}),
    ],
)
def test_the_stored_scores_are_of_these_weights_and_reach_their_goals(name, goals):
    folder = shipped.models_folder() / name
    scores = json.loads((folder / "scores.json").read_text("utf-8"))
    assert scores["weights"] == weights_hash(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 6_000_000
    for what, goal in goals.items():
        assert scores["summary"][what] >= goal, what
