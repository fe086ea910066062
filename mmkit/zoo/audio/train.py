"""Trains tiny-qwen2-audio or tiny-whisper on the sound world, on one CPU thread.

    python -m mmkit.zoo.audio.train both            both models with one encoder, about 45 minutes
    python -m mmkit.zoo.audio.train tiny-whisper --start data/models/tiny-whisper     15 minutes more
    torchrun --nproc-per-node 4 -m mmkit.zoo.audio.train both            on four cores

    training clips -> Sampler: join, disturb -> batch_log_mel -> pupil's loss -> Muon and AdamW -> folder

The loss is the cross-entropy of the answers' tokens, and, fading out, a CTC loss on what the encoder hears (Graves
et al. 2006): it teaches where the words are long before the decoder could. A third loss asks a linear layer how
fast and how high the voice is: CTC alone makes an encoder that forgets pitch. Muon (Jordan et al. 2024) moves the
weight matrices, AdamW the rest. The two models' encoders have the same layers, so one is trained for both; in
the second run tiny-whisper's own gets used to its fixed window. Leaves out a GPU path: nothing here needs one.

The shipped weights come from several sittings, each begun with the last one's (--start): "both" twice about twenty
minutes' worth and once 36 (--rate 0.7), then tiny-whisper 25 (--rate 0.8) and 14 minutes (--rate 0.45).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmkit import shipped
from mmkit.zoo.audio import qwen2_audio, whisper
from mmkit.zoo.worlds.speech import (
    CACHE,
    COMMANDS,
    DIGITS,
    MAKERS,
    MAX_SECONDS,
    QUESTIONS,
    SAMPLE_RATE,
    Clips,
    Disturbance,
    Truth,
    answers,
    disturb,
    random_digits,
    random_disturbance,
    reserved_clips,
    training_clips,
)

WORDS = DIGITS + COMMANDS
HOP = 160  # samples from one log-mel frame to the next


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run."""

    steps: int
    batch: int = 32
    muon_rate: float = 0.02
    adam_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: int = 100  # steps
    ctc: float = 0.5  # weight of the CTC loss at the start; it falls to a tenth
    traits: float = 0.3  # weight of the loss on how fast and how high the voice is; it falls likewise
    seed: int = 0


RECIPES = {
    "both": Recipe(steps=4000),
    "tiny-qwen2-audio": Recipe(steps=4000),
    "tiny-whisper": Recipe(steps=1500, muon_rate=0.015, adam_rate=1.5e-3, traits=0.0),
}


class Sampler:
    """Draws training clips: phrases, digits joined from single words, command words, simple sounds."""

    def __init__(self, phrases: Clips, words: Clips, rng: np.random.Generator):
        self.phrases, self.words, self.rng = phrases, words, rng
        self.by_voice: dict = {}
        for i, voice in enumerate(words.voices):
            self.by_voice.setdefault(voice, {})[words.words[i][0]] = i
        self.speakers = list(self.by_voice.values())

    def draw(self) -> tuple[np.ndarray, Truth]:
        """One disturbed clip and its truth."""
        wave, truth = self.clean()
        return disturb(wave, random_disturbance(self.rng), self.rng), truth

    def clean(self) -> tuple[np.ndarray, Truth]:
        """One clip as it was made."""
        kind = self.rng.random()
        if kind < 0.5:
            i = int(self.rng.integers(len(self.phrases)))
            return self.phrases.wave(i), self.phrases.truth(i)
        if kind < 0.72:
            return self.joined(random_digits(self.rng))
        if kind < 0.88:
            return self.joined((str(self.rng.choice(COMMANDS)),))
        name = str(self.rng.choice(list(MAKERS)))
        return MAKERS[name](self.rng), Truth(sound=name)

    def joined(self, words: tuple[str, ...]) -> tuple[np.ndarray, Truth]:
        """Words said one by one by one voice, with pauses of 0 to 0.12 s."""
        while True:
            speaker = self.speakers[int(self.rng.integers(len(self.speakers)))]
            if all(word in speaker for word in words):
                break
        pieces = []
        for word in words:
            pieces += [self.words.wave(speaker[word]) * np.float32(self.rng.uniform(0.7, 1))]
            pieces += [np.zeros(int(self.rng.uniform(0, 0.12) * SAMPLE_RATE), np.float32)]
        truth = self.words.truth(speaker[words[0]])
        wave = np.concatenate(pieces[:-1])
        if len(wave) > (MAX_SECONDS - 0.5) * SAMPLE_RATE:
            return self.joined(words[:3])
        return wave, Truth(words, truth.tempo, truth.height)

    def batches(self, size: int, count: int = 4) -> list[list[tuple[np.ndarray, Truth]]]:
        """count batches of clips of like length, so that little is computed on padding."""
        clips = sorted((self.draw() for _ in range(size * count)), key=lambda clip: len(clip[0]))
        groups = [clips[i : i + size] for i in range(0, len(clips), size)]
        return [groups[i] for i in self.rng.permutation(count)]


def batch_log_mel(
    waves: Sequence[np.ndarray], filters: Tensor, frames: int | None = None, curves: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """WhisperFeatureExtractor's log-mel of several waves, cut after the longest.

    filters: (201, n_mels).  frames: length of the result; None: the longest clip and at least 4 frames of
    silence, a multiple of 4.  curves: (B, n_mels), an equaliser in powers of ten, for training.
    Returns features (B, n_mels, frames) and how many frames each clip fills (B,).
    """
    filled = torch.tensor([-(-len(wave) // HOP) for wave in waves])
    if frames is None:
        frames = -(-(int(filled.max()) + 4) // 4) * 4
    padded = torch.zeros(len(waves), frames * HOP)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    spectrum = torch.stft(padded, 400, HOP, window=torch.hann_window(400), return_complex=True)
    power = filters.T @ spectrum[..., :-1].abs() ** 2
    if curves is not None:
        power = power * 10 ** curves[:, :, None]
    log = power.clamp(min=1e-10).log10()
    log = torch.maximum(log, log.amax((1, 2), keepdim=True) - 8.0)
    return (log + 4.0) / 4.0, filled


def random_curves(batch: int, n_mels: int, rng: np.random.Generator) -> Tensor:
    """Smooth equaliser curves (batch, n_mels) in powers of ten of power: about 4 dB up and down."""
    mel = np.linspace(0, 1, n_mels)
    waves = np.cos(np.pi * np.arange(1, 5)[:, None] * mel + rng.uniform(0, 2 * np.pi, (batch, 4, 1)))
    return torch.from_numpy((rng.normal(0, 0.2, (batch, 4, 1)) * waves).sum(1)).float()


class Qwen2AudioPupil:
    """tiny-qwen2-audio as the training loop sees it."""

    tasks = tuple(QUESTIONS)

    def __init__(self, seed: int):
        self.tokenizer = qwen2_audio.make_tokenizer()
        self.model = qwen2_audio.make_model(self.tokenizer, seed)
        self.processor = qwen2_audio.make_processor(self.tokenizer)
        self.forward = qwen2_audio.PackedForward(self.model)
        self.filters = torch.from_numpy(self.processor.feature_extractor.mel_filters).float()
        self.audio_id = self.model.config.audio_token_id
        self.learns: nn.Module = self.model
        self._ids: dict[str, tuple[int, ...]] = {}

    def ids(self, text: str) -> tuple[int, ...]:
        """Tokens of a text, remembered."""
        if text not in self._ids:
            self._ids[text] = tuple(self.tokenizer(text)["input_ids"])
        return self._ids[text]

    def row(self, asked: Sequence[tuple[str, str]], system: str | None, numbered: bool = True) -> qwen2_audio.Row:
        """The clip first, then each (question, answer) as a branch of its own."""
        head = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
        label, newline = ("Audio 1: ", "\n") if numbered else ("", "")
        prefix = f"{head}<|im_start|>user\n{label}<|audio_bos|><|AUDIO|><|audio_eos|>{newline}"
        turn = "<|im_end|>\n<|im_start|>assistant\n"
        branches = tuple((self.ids(q + turn), self.ids(a + "<|im_end|>")) for q, a in asked)
        return qwen2_audio.Row(self.ids(prefix), branches)

    def row_question_first(self, question: str, answer: str, system: str) -> qwen2_audio.Row:
        """The question before the clip: one branch, whose question is the turn alone."""
        prefix = (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{question}"
            "Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
        )
        branch = (self.ids("<|im_end|>\n<|im_start|>assistant\n"), self.ids(answer + "<|im_end|>"))
        return qwen2_audio.Row(self.ids(prefix), (branch,))

    def random_row(self, truth: Truth, rng: np.random.Generator) -> qwen2_audio.Row:
        """Up to four of the clip's questions in random words; caption and transcript always among them."""
        right = answers(truth)
        others = [task for task in right if task not in ("transcribe", "caption")]
        tasks = [task for task in ("transcribe", "caption") if task in right]
        tasks += list(rng.permutation(others)[: 4 - len(tasks)])
        asked = [(str(rng.choice(QUESTIONS[task])), right[task]) for task in tasks]
        system = qwen2_audio.SYSTEM if rng.random() < 0.85 else str(rng.choice(qwen2_audio.SYSTEMS))
        kind = rng.random()
        if kind < 0.08:
            return self.row_question_first(*asked[int(rng.integers(len(asked)))], system)
        if kind < 0.16:
            return self.row(asked, None, numbered=False)
        return self.row(asked, system)

    def loss(self, clips: list, rng: np.random.Generator, progress: float) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-entropy of the answers; what was heard (B, T, d), and its lengths (B,), for the CTC loss."""
        waves, truths = zip(*clips, strict=True)
        features, frames = batch_log_mel(waves, self.filters, curves=random_curves(len(waves), 80, rng))
        states, tokens = self.forward.encode(features, frames)
        heard = self.forward.project(states)
        rows = [self.random_row(truth, rng) for truth in truths]
        packed = qwen2_audio.pack(rows, tokens.tolist(), self.audio_id)
        loss = F.cross_entropy(self.forward(heard, tokens, packed), packed.target)
        return loss + self.loss_beside(states, truths), heard, tokens

    def loss_beside(self, states: Tensor, truths: Sequence[Truth]) -> Tensor | float:
        """Loss of whatever else learns from the encoder's states: nothing here."""
        return 0.0

    @torch.inference_mode()
    def right(self, clips: list) -> dict[str, list[bool]]:
        """For each task: is the greedy answer right, clip by clip?"""
        waves, truths = zip(*clips, strict=True)
        states, tokens = self.forward.encode(*batch_log_mel(waves, self.filters))
        heard = self.forward.project(states)
        asked = [answers(truth) for truth in truths]
        rows = [self.row([(QUESTIONS[t][0], a) for t, a in said.items()], qwen2_audio.SYSTEM) for said in asked]
        packed = qwen2_audio.pack(rows, tokens.tolist(), self.audio_id)
        hits = self.forward(heard, tokens, packed).argmax(1) == packed.target
        tasks = [task for said in asked for task in said]
        wrong = set(packed.branch[~hits].tolist())
        found: dict[str, list[bool]] = {}
        for branch, task in enumerate(tasks):
            found.setdefault(task, []).append(branch not in wrong)
        return found

    def begin_with(self, folder: Path) -> None:
        """Take all weights of a saved tiny-qwen2-audio."""
        self.model.load_state_dict(type(self.model).from_pretrained(folder).state_dict())

    def save(self, folder: Path) -> None:
        qwen2_audio.save(self.model, self.processor, folder)


class WhisperPupil:
    """tiny-whisper as the training loop sees it."""

    def __init__(self, seed: int):
        self.tokenizer = whisper.make_tokenizer()
        self.model = whisper.make_model(self.tokenizer, seed)
        self.processor = whisper.make_processor(self.tokenizer)
        self.filters = torch.from_numpy(self.processor.feature_extractor.mel_filters).float()
        self.frames = 2 * self.model.config.max_source_positions
        self.prompt = self.tokenizer.convert_tokens_to_ids(list(whisper.PROMPT))
        self.end = self.tokenizer.eos_token_id
        self.learns: nn.Module = self.model

    def targets(self, truths: Sequence[Truth]) -> tuple[Tensor, Tensor]:
        """Decoder inputs (B, L) and targets (B, L), -100 where nothing is to be learned."""
        said = [self.tokenizer(t.spoken, add_special_tokens=False)["input_ids"] + [self.end] for t in truths]
        longest = len(self.prompt) + max(map(len, said)) - 1
        ids = torch.full((len(said), longest), self.end)
        target = torch.full((len(said), longest), -100)
        for row, words in enumerate(said):
            ids[row, : len(self.prompt) + len(words) - 1] = torch.tensor([*self.prompt, *words[:-1]])
            target[row, len(self.prompt) - 1 : len(self.prompt) - 1 + len(words)] = torch.tensor(words)
        return ids, target

    def read(self, states: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's states before its last norm (B, T, d) -> logits (B, L, vocabulary), normed states."""
        heard = self.model.model.encoder.layer_norm(states)
        out = self.model.model.decoder(ids, encoder_hidden_states=heard, use_cache=False).last_hidden_state
        return self.model.proj_out(out), heard

    def logits(self, features: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L, vocabulary) and what the encoder heard (B, T, d)."""
        return self.read(qwen2_audio.encoder_layers(self.model.model.encoder, features), ids)

    def loss(self, clips: list, rng: np.random.Generator, progress: float) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-entropy of the transcript; what was heard (B, T, d), and its lengths (B,), for the CTC loss.

        Always in the full window: Whisper's encoder looks at the silence, too, and must be used to it.
        """
        waves, truths = zip(*clips, strict=True)
        features, frames = batch_log_mel(waves, self.filters, self.frames, random_curves(len(waves), 80, rng))
        ids, target = self.targets(truths)
        logits, heard = self.logits(features, ids)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
        return loss, heard, frames // 2

    @torch.inference_mode()
    def right(self, clips: list) -> dict[str, list[bool]]:
        """Is the greedy transcript right, clip by clip?"""
        waves, truths = zip(*clips, strict=True)
        ids, target = self.targets(truths)
        logits, _ = self.logits(batch_log_mel(waves, self.filters, self.frames)[0], ids)
        hits = (logits.argmax(-1) == target) | (target == -100)
        return {"transcribe": hits.all(1).tolist()}

    def begin_with(self, folder: Path) -> None:
        """Take all weights of a saved tiny-whisper, or the encoder of a saved tiny-qwen2-audio."""
        from transformers import AutoConfig, Qwen2AudioForConditionalGeneration

        if AutoConfig.from_pretrained(folder).model_type == "whisper":
            self.model.load_state_dict(type(self.model).from_pretrained(folder).state_dict())
        else:
            self.take_encoder(Qwen2AudioForConditionalGeneration.from_pretrained(folder).model.audio_tower)

    def take_encoder(self, tower: nn.Module, norm: bool = True) -> None:
        """Copy tiny-qwen2-audio's encoder, whose window is longer and begins alike; norm: its last norm, too."""
        state = {
            name: tensor
            for name, tensor in tower.state_dict().items()
            if norm or not name.startswith("layer_norm.")
        }
        state["embed_positions.weight"] = state["embed_positions.weight"][: self.frames // 2]
        self.model.model.encoder.load_state_dict(state, strict=norm)

    def save(self, folder: Path) -> None:
        whisper.save(self.model, self.processor, folder)


class BothPupils(Qwen2AudioPupil):
    """tiny-qwen2-audio, and tiny-whisper's decoder listening to the same encoder."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.whisper = WhisperPupil(seed)
        inner = self.whisper.model.model
        self.learns = nn.ModuleDict(
            {"model": self.model, "norm": inner.encoder.layer_norm, "decoder": inner.decoder}
        )

    def loss_beside(self, states: Tensor, truths: Sequence[Truth]) -> Tensor:
        """Cross-entropy of tiny-whisper's transcript."""
        ids, target = self.whisper.targets(truths)
        return F.cross_entropy(self.whisper.read(states, ids)[0].flatten(0, 1), target.flatten())

    def begin_with(self, folder: Path) -> None:
        """Take all weights of a saved tiny-qwen2-audio, and of the tiny-whisper beside it."""
        super().begin_with(folder)
        self.whisper.begin_with(folder.parent / "tiny-whisper")

    def save(self, folder: Path) -> None:
        """tiny-qwen2-audio into the folder, tiny-whisper into the one of that name beside it."""
        super().save(folder)
        self.whisper.take_encoder(self.model.model.audio_tower, norm=False)
        self.whisper.save(folder.parent / "tiny-whisper")

    def right(self, clips: list) -> dict[str, list[bool]]:
        """As tiny-qwen2-audio; "whisper" is tiny-whisper's transcript, in the full window."""
        self.whisper.take_encoder(self.model.model.audio_tower, norm=False)
        return super().right(clips) | {"whisper": self.whisper.right(clips)["transcribe"]}


PUPILS = {"both": BothPupils, "tiny-qwen2-audio": Qwen2AudioPupil, "tiny-whisper": WhisperPupil}


def ctc_loss(scores: Tensor, lengths: Tensor, truths: Sequence[Truth]) -> Tensor:
    """CTC loss of scores (B, T, 1 + words), class 0 the blank, against each clip's words."""
    said = [[1 + WORDS.index(word) for word in truth.words] for truth in truths]
    return F.ctc_loss(
        scores.log_softmax(-1).transpose(0, 1),
        torch.tensor([word for words in said for word in words], dtype=torch.long),
        lengths,
        torch.tensor([len(words) for words in said]),
        zero_infinity=True,
    )


def traits_loss(scores: Tensor, lengths: Tensor, truths: Sequence[Truth]) -> Tensor:
    """Cross-entropy of slow or fast and low or high, from scores (B, T, 4) averaged over each clip's length."""
    valid = (torch.arange(scores.shape[1]) < lengths[:, None])[..., None]
    mean = (scores * valid).sum(1) / lengths[:, None]
    names = (("tempo", ("slow", "fast")), ("height", ("low", "high")))
    parts = []
    for k, (trait, values) in enumerate(names):
        known = [(i, values.index(getattr(t, trait))) for i, t in enumerate(truths) if getattr(t, trait)]
        if known:
            rows, wanted = map(torch.tensor, zip(*known, strict=True))
            parts.append(F.cross_entropy(mean[rows, 2 * k : 2 * k + 2], wanted))
    return torch.stack(parts).sum() if parts else scores.sum() * 0.0


def optimizers(module: nn.Module, recipe: Recipe) -> list[tuple[torch.optim.Optimizer, float]]:
    """Muon for the weight matrices inside the layers, AdamW for the rest, each with its highest rate."""
    matrices, others, plain = [], [], []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim == 2 and not any(
            part in name for part in ("embed", "lm_head", "proj_out", "ctc", "traits")
        ):
            matrices.append(parameter)
        else:
            (others if parameter.ndim > 1 else plain).append(parameter)
    muon = torch.optim.Muon(
        matrices, lr=recipe.muon_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="original"
    )
    groups = [{"params": others, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=recipe.adam_rate, betas=(0.9, 0.98), fused=True)
    return [(muon, recipe.muon_rate), (adam, recipe.adam_rate)]


def rate_at(progress: float, step: int, recipe: Recipe) -> float:
    """Share of the highest rate: up in a line over warm_up steps, then down along half a cosine to 2 %."""
    warm = min(1.0, (step + 1) / recipe.warm_up)
    return warm * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))


def held_out(clips: Clips, snr: float | None, count: int | None = None) -> list[tuple[np.ndarray, Truth]]:
    """Clips with silence around, clean or with noise at snr decibels; the same at every call."""
    rng = np.random.default_rng(11)
    chosen = range(len(clips)) if count is None else np.linspace(0, len(clips) - 1, count).astype(int)
    how = Disturbance(lead=0.15, tail=0.25, gain=0.7, snr=snr, tilt=0.5)
    return [(disturb(clips.wave(int(i)), how, rng), clips.truth(int(i))) for i in chosen]


def evaluate(pupil: Qwen2AudioPupil | WhisperPupil, clips: list, batch: int = 25) -> dict[str, float]:
    """Share of right answers for each task."""
    found: dict[str, list[bool]] = {}
    for i in range(0, len(clips), batch):
        for task, hits in pupil.right(clips[i : i + batch]).items():
            found.setdefault(task, []).extend(hits)
    return {task: round(sum(hits) / len(hits), 4) for task, hits in found.items()}


def train(
    name: str,
    recipe: Recipe,
    out: Path,
    cache: Path = CACHE,
    *,
    start: Path | None = None,
    minutes: float = math.inf,
    checkpoint: Path | None = None,
    every: float = 480,
) -> None:
    """Train one model and save it; under torchrun each worker takes its share of every batch.

    start: folder of a model to begin with; tiny-whisper takes the encoder of a tiny-qwen2-audio.
    minutes: of wall time; the schedule is squeezed into it.
    checkpoint: folder of a loadable model, renewed every so many seconds.
    """
    rank, workers = join_workers()
    rng = np.random.default_rng(recipe.seed + 1000 * rank)
    sampler = Sampler(*training_clips(cache), rng)
    reserved = reserved_clips(cache)
    watched = {"clean": held_out(reserved, None, 120), "15 dB": held_out(reserved, 15, 120)}
    pupil = PUPILS[name](recipe.seed)
    if start:
        pupil.begin_with(start)
    whole = nn.ModuleDict(
        {"model": pupil.learns, "ctc": nn.Linear(128, 1 + len(WORDS)), "traits": nn.Linear(128, 4)}
    )
    steerers = optimizers(whole, recipe)
    began, saved, queue, mean = time.time(), time.time(), [], {}
    for step in range(recipe.steps):
        progress = agreed(max(step / recipe.steps, (time.time() - began) / (60 * minutes)), workers)
        if progress >= 1:
            break
        share = rate_at(progress, step, recipe)
        for optimizer, highest in steerers:
            for group in optimizer.param_groups:
                group["lr"] = highest * share
        queue = queue or sampler.batches(recipe.batch // workers)
        clips = queue.pop()
        answer, heard, lengths = pupil.loss(clips, rng, progress)
        truths = [truth for _, truth in clips]
        ctc = ctc_loss(whole["ctc"](heard), lengths, truths)
        traits = traits_loss(whole["traits"](heard), lengths, truths)
        fading = max(0.1, 1 - progress)
        whole.zero_grad(set_to_none=True)
        (answer + fading * (recipe.ctc * ctc + recipe.traits * traits)).backward()
        average_gradients(whole, workers)
        nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        for optimizer, _ in steerers:
            optimizer.step()
        for key, value in (("answer", answer), ("ctc", ctc), ("traits", traits)):
            mean[key] = 0.95 * mean.get(key, value.item()) + 0.05 * value.item()
        if rank:
            continue
        if (step + 1) % 50 == 0:
            losses = "  ".join(f"{key} {value:.3f}" for key, value in mean.items())
            log(f"step {step + 1}  wall {time.time() - began:.0f} s  cpu {time.process_time():.0f} s  {losses}")
        if (step + 1) % 200 == 0 or step + 1 == recipe.steps:
            shown = {key: evaluate(pupil, clips) for key, clips in watched.items()}
            for key, scores in shown.items():
                log(f"    {key}: {scores}")
        if checkpoint and time.time() - saved > every:
            pupil.save(checkpoint)
            saved = time.time()
    if not rank:
        pupil.save(out)


def join_workers() -> tuple[int, int]:
    """This worker's number and how many there are: 0 and 1 unless torchrun started several."""
    workers = int(os.environ.get("WORLD_SIZE", "1"))
    if workers > 1:
        torch.distributed.init_process_group("gloo")
    return int(os.environ.get("RANK", "0")), workers


def agreed(value: float, workers: int) -> float:
    """The largest of the workers' values, so that all take the same decision."""
    if workers == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
    return float(shared)


def average_gradients(module: nn.Module, workers: int) -> None:
    """Replace every gradient by its mean over the workers."""
    if workers == 1:
        return
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient) / workers)


def log(line: str) -> None:
    """Progress, on stderr."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a tiny speech model on one CPU thread.")
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder to write; default data/models/NAME")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of the generated clips")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the highest learning rates")
    parser.add_argument("--minutes", type=float, default=math.inf, help="wall time at most")
    parser.add_argument("--start", type=Path, help="folder of a model to begin with")
    parser.add_argument("--checkpoint", type=Path, help="folder of the checkpoint on the way")
    given = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    recipe = RECIPES[given.name]
    recipe = replace(
        recipe,
        steps=given.steps or recipe.steps,
        seed=given.seed,
        muon_rate=given.rate * recipe.muon_rate,
        adam_rate=given.rate * recipe.adam_rate,
    )
    name = "tiny-qwen2-audio" if given.name == "both" else given.name
    out = given.out or shipped.models_folder() / name
    train(
        given.name,
        recipe,
        out,
        given.cache,
        start=given.start,
        minutes=given.minutes,
        checkpoint=given.checkpoint,
    )


if __name__ == "__main__":
    main()
