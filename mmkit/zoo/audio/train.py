"""How tiny-qwen2-audio and tiny-whisper learn, on one core.

    mmkit train tiny-speech OUT                   both with one encoder, about 45 minutes
    mmkit train tiny-whisper OUT --start FOLDER   its own encoder gets used to its fixed window, 15 minutes more

    clips of a batch -> encoder -> answers' tokens (cross entropy)
                                -> CTC head: which words, in order?     -> traits head: how fast, how high a voice?

The CTC loss (Graves et al. 2006) on what the encoder hears teaches where the words are long before the decoder
could; the loss on traits is there since CTC alone makes an encoder that forgets pitch. Both fade. The two models'
encoders have the same layers, so one is trained for both. Leaves out the loop (training.py).

The shipped weights come from several sittings, each begun with the last one's (--start): both twice about twenty
minutes' worth and once 36 (--rate 0.7), then tiny-whisper 25 (--rate 0.8) and 14 minutes (--rate 0.45).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmkit.zoo.audio import qwen2_audio, whisper
from mmkit.zoo.audio.batches import Batch, Sampler, question_batch, random_curves
from mmkit.zoo.audio.evaluate import held_out, judge
from mmkit.zoo.audio.forward import Heard, Qwen2AudioForward, WhisperForward, batch_log_mel
from mmkit.zoo.training import Task, TrainingConfig, ctc_loss
from mmkit.zoo.worlds.speech import CACHE, COMMANDS, DIGITS, Truth, reserved_clips, training_clips

WORDS = DIGITS + COMMANDS


@dataclass(frozen=True)
class SpeechConfig(TrainingConfig):
    """The numbers of a training run."""

    steps: int = 4000
    mean_decay: float = 0.0  # the last weights as they are
    steps_per_minute: int = 90
    clips: int = 32  # in a batch
    ctc: float = 0.5  # weight of the CTC loss at the start; it falls to a tenth
    traits: float = 0.3  # weight of the loss on how fast and how high the voice is; it falls likewise


class SpeechTask(Task):
    """What the speech models have in common: clips, the CTC loss and the loss on traits.

    cache: folder of the generated clips.
    """

    recipe: SpeechConfig = SpeechConfig()
    config: SpeechConfig

    def __init__(self, config: SpeechConfig = recipe, cache: Path = CACHE):
        super().__init__(config)
        self.cache = cache
        self.heads = nn.ModuleDict({"ctc": nn.Linear(128, 1 + len(WORDS)), "traits": nn.Linear(128, 4)})
        self._drawn: tuple[int, list[list[Heard]]] = (-1, [])

    @cached_property
    def sampler(self) -> Sampler:
        return Sampler(*training_clips(self.cache), np.random.default_rng(self.config.seed))

    @cached_property
    def held_out(self) -> dict[str, list[Heard]]:
        """Clips of voices that training never hears."""
        reserved = reserved_clips(self.cache)
        return {"clean": held_out(reserved, None, 120), "15 dB": held_out(reserved, 15, 120)}

    def clips(self, step: int) -> list[Heard]:
        """The clips of a batch.  Four batches are drawn at a time and sorted by length: little padding."""
        group, number = divmod(step, 4)
        if self._drawn[0] != group:
            self.sampler.rng = np.random.default_rng([self.config.seed, group])
            self._drawn = group, self.sampler.batches(self.config.clips)
        return self._drawn[1][number]

    def details(self, step: int) -> np.random.Generator:
        """Draws what else varies in a batch: equalizers, wordings."""
        return np.random.default_rng([self.config.seed, step, 1])

    def listen_loss(
        self, answer: Tensor, heard: Tensor, lengths: Tensor, truths: Sequence[Truth], progress: float
    ) -> tuple[Tensor, dict[str, float]]:
        """The answers' loss and what the encoder alone is asked, fading.  heard: (B, T, d), of lengths (B,)."""
        said = [[1 + WORDS.index(word) for word in truth.words] for truth in truths]
        ctc = ctc_loss(self.heads["ctc"](heard), lengths, said)
        traits = traits_loss(self.heads["traits"](heard), lengths, truths)
        fading = max(0.1, 1 - progress)
        loss = answer + fading * (self.config.ctc * ctc + self.config.traits * traits)
        return loss, {"answer": answer.item(), "ctc": ctc.item(), "traits": traits.item()}

    def judge(self, clips: Sequence[Heard]) -> dict[str, list[bool]]:
        """For each kind of question: is the greedy answer right, clip by clip?"""
        raise NotImplementedError

    def evaluate(self) -> dict[str, float]:
        return {
            f"{kind}, {condition}": float(np.mean(hits))
            for condition, clips in self.held_out.items()
            for kind, hits in self.judge(clips).items()
        }


class Qwen2AudioTask(SpeechTask):
    """tiny-qwen2-audio, as the loop sees it."""

    def __init__(self, config: SpeechConfig = SpeechConfig(), cache: Path = CACHE):
        tokenizer = qwen2_audio.make_tokenizer()
        self.model: Any = qwen2_audio.make_model(tokenizer, config.seed)
        self.forward = Qwen2AudioForward(self.model, qwen2_audio.make_processor(tokenizer))
        super().__init__(config, cache)

    def batch(self, step: int) -> Batch:
        return question_batch(self.forward, self.clips(step), self.details(step))

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        states, tokens = self.forward.encode(batch.features, batch.frames)
        heard = self.forward.project(states)
        packed = batch.packed
        assert packed is not None
        answer = F.cross_entropy(self.forward.logits(heard, packed), packed.targets)
        return self.listen_loss(answer + self.beside(states, batch), heard, tokens, batch.truths, progress)

    def beside(self, states: Tensor, batch: Batch) -> Tensor | float:
        """Loss of whatever else learns from the encoder's states: nothing here."""
        return 0.0

    def judge(self, clips: Sequence[Heard]) -> dict[str, list[bool]]:
        return judge(self.forward, clips)

    def save(self, folder: Path) -> None:
        qwen2_audio.save(self.forward.model, self.forward.processor, folder)


class WhisperTask(SpeechTask):
    """tiny-whisper, as the loop sees it."""

    recipe: SpeechConfig = SpeechConfig(
        steps=1500, muon_rate=0.015, adam_rate=1.5e-3, steps_per_minute=100, traits=0.0
    )

    def __init__(self, config: SpeechConfig = recipe, cache: Path = CACHE):
        tokenizer = whisper.make_tokenizer()
        self.model: Any = whisper.make_model(tokenizer, config.seed)
        self.forward = WhisperForward(self.model, whisper.make_processor(tokenizer))
        super().__init__(config, cache)

    def batch(self, step: int) -> Batch:
        waves, truths = zip(*self.clips(step), strict=True)
        curves = random_curves(len(waves), 80, self.details(step))
        return Batch(*batch_log_mel(waves, self.forward.filters, self.forward.frames, curves), truths)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Always in the full window: Whisper's encoder looks at the silence, too, and must be used to it."""
        ids, target = self.forward.targets(batch.truths)
        logits, heard = self.forward.logits(batch.features, ids)
        answer = F.cross_entropy(logits.flatten(0, 1), target.flatten())
        return self.listen_loss(answer, heard, batch.frames // 2, batch.truths, progress)

    def judge(self, clips: Sequence[Heard]) -> dict[str, list[bool]]:
        return judge(self.forward, clips)

    def start(self, folder: Path) -> None:
        """Take all weights of a saved tiny-whisper, or the encoder of a saved tiny-qwen2-audio."""
        from transformers import AutoConfig, Qwen2AudioForConditionalGeneration

        if AutoConfig.from_pretrained(folder).model_type == "whisper":
            super().start(folder)
        else:
            self.take_encoder(Qwen2AudioForConditionalGeneration.from_pretrained(folder).model.audio_tower)

    def take_encoder(self, tower: nn.Module, norm: bool = True) -> None:
        """Copy tiny-qwen2-audio's encoder, whose window is longer and begins alike; norm: its last norm, too."""
        state = {
            name: tensor
            for name, tensor in tower.state_dict().items()
            if norm or not name.startswith("layer_norm.")
        }
        state["embed_positions.weight"] = state["embed_positions.weight"][: self.forward.frames // 2]
        self.model.model.encoder.load_state_dict(state, strict=norm)

    def save(self, folder: Path) -> None:
        whisper.save(self.model, self.forward.processor, folder)


class SpeechPairTask(Qwen2AudioTask):
    """tiny-qwen2-audio, and tiny-whisper's decoder listening to the same encoder."""

    def __init__(self, config: SpeechConfig = SpeechConfig(), cache: Path = CACHE):
        super().__init__(config, cache)
        self.whisper = WhisperTask(config, cache)
        inner = self.whisper.model.model
        self.model = nn.ModuleDict(
            {"model": self.forward.model, "norm": inner.encoder.layer_norm, "decoder": inner.decoder}
        )

    def beside(self, states: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of tiny-whisper's transcript."""
        ids, target = self.whisper.forward.targets(batch.truths)
        logits, _ = self.whisper.forward.read(states, ids)
        return F.cross_entropy(logits.flatten(0, 1), target.flatten())

    def judge(self, clips: Sequence[Heard]) -> dict[str, list[bool]]:
        """As tiny-qwen2-audio; "whisper" is tiny-whisper's transcript, in the full window."""
        self._share_encoder()
        return super().judge(clips) | {"whisper": self.whisper.judge(clips)["transcribe"]}

    def _share_encoder(self) -> None:
        self.whisper.take_encoder(self.forward.model.model.audio_tower, norm=False)

    def start(self, folder: Path) -> None:
        """Take all weights of the two models in a folder that `save` wrote."""
        saved = type(self.forward.model).from_pretrained(folder / "tiny-qwen2-audio")
        self.forward.model.load_state_dict(saved.state_dict())
        self.whisper.start(folder / "tiny-whisper")

    def save(self, folder: Path) -> None:
        """Both models, each into a folder of its name."""
        super().save(folder / "tiny-qwen2-audio")
        self._share_encoder()
        self.whisper.save(folder / "tiny-whisper")


def traits_loss(scores: Tensor, lengths: Tensor, truths: Sequence[Truth]) -> Tensor:
    """Cross-entropy of slow or fast and low or high, from scores (B, T, 4) averaged over each clip's length."""
    valid = (torch.arange(scores.shape[1]) < lengths[:, None])[..., None]
    mean = (scores * valid).sum(1) / lengths[:, None]
    names = (("tempo", ("slow", "fast")), ("height", ("low", "high")))
    parts = []
    for k, (trait, values) in enumerate(names):
        known = [(i, values.index(getattr(t, trait))) for i, t in enumerate(truths) if getattr(t, trait)]
        if known:
            rows, wanted = (torch.tensor(column) for column in zip(*known, strict=True))
            parts.append(F.cross_entropy(mean[rows, 2 * k : 2 * k + 2], wanted))
    return torch.stack(parts).sum() if parts else scores.sum() * 0.0
