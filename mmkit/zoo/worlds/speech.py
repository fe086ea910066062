"""The sound world: clips whose truth is known because we make them ourselves.

    Voice + words -> say (espeak-ng) -> wave          beep, rise, fall, hiss, hush -> wave
    wave -> disturb (speed, equaliser, loudness, silence around, noise) -> clip
    Truth -> answers: {task: answer};  QUESTIONS: {task: paraphrases}

Speech is digit strings of one to five digits and twelve command words. The variants of TEST_VOICES are for
testing only: `TRAIN_VOICES` shares none with them, nor a twin of them under another name.
Leaves out real recordings, whole sentences and several speakers at once. Needs the program espeak-ng, but only
to make new speech: `mmkit` itself runs without it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr

from mmkit.errors import BackendMissing

SAMPLE_RATE = 16_000  # Hz
MAX_SECONDS = 5.0  # no clip of this world is longer

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COMMANDS = ("go", "stop", "left", "right", "up", "down", "yes", "no", "open", "close", "start", "help")
SOUNDS = {
    "beep": "a beep",
    "rise": "a rising tone",
    "fall": "a falling tone",
    "hiss": "noise",
    "hush": "silence",
}

# Mean fundamental frequency (Hz) of espeak-ng 1.51's English variants at pitch 50: the middle of the two
# numbers after "pitch" in the variant's file, 100 where it has none.
_PITCH_TABLE = """
    Alex 110  Alicia 227  Andrea 232  Andy 97  Annie 200  Denis 97  Diogo 102  Gene 95  Gene2 115  Henrique 100
    Hugo 100  Jacky 107  Lee 97  Marco 126  Mario 100  Michael 100  Mike 87  Nguyen 135  Storm 80  Tweaky 100
    UniRobot 130  adam 100  anika 250  anikaRobot 250  announcer 60  antonio 105  aunty 190  belinda 223
    benjamin 100  boris 100  caleb 100  croak 101  david 75  ed 117  edward 100  edward2 100  f1 170  f2 181
    f3 190  f4 171  f5 194  grandma 175  grandpa 100  gustave 101  iven 96  iven2 96  iven3 96  iven4 96
    john 100  kaukovalta 95  klatt 100  klatt2 100  klatt3 100  klatt4 100  klatt5 100  klatt6 100  linda 223
    m1 92  m2 101  m3 101  m4 90  m5 100  m6 99  m7 100  m8 83  marcelo 90  max 100  michel 102  miguel 105
    norbert 100  pablo 106  paul 85  pedro 100  quincy 83  rob 90  robert 90  robosoft 75  robosoft2 110
    robosoft3 95  robosoft4 95  robosoft5 95  robosoft6 150  robosoft7 95  robosoft8 150  sandro 96  shelby 155
    steph 183  travis 97  victor 95  zac 315
"""
_cells = _PITCH_TABLE.split()
MEAN_PITCH: dict[str, float] = dict(zip(_cells[::2], map(float, _cells[1::2]), strict=True))
TEST_VOICES = (
    *("steph", "travis", "max", "belinda", "linda", "Denis"),
    *("Andy", "Michael", "shelby", "victor", "m8", "f5"),
)
TRAIN_VOICES = tuple(name for name in MEAN_PITCH if name not in TEST_VOICES)
# Left out of both, as twins of test voices: AnxiousAndy, RicishayMax (1 to 3), steph2, steph3.

# These speak about as fast at 100 words a minute as the others at 150: never called slow.
_HASTY = frozenset(("Andrea", "UniRobot", "anika", "anikaRobot", "antonio", "pedro")) | {
    name for name in MEAN_PITCH if name.startswith("robosoft")
}
ACCENTS = (
    *("en-us", "en-us-nyc", "en-029", "en-gb", "en-gb-scotland"),
    *("en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd"),
)


@dataclass(frozen=True)
class Voice:
    """Who speaks, and how.

    variant: a name of MEAN_PITCH.  accent: a name of ACCENTS.  pitch: 0 to 99, 50 is the variant's own.
    speed: words a minute, 80 to 300.

    >>> Voice("steph", speed=240).tempo, Voice("steph").height
    ('fast', None)
    """

    variant: str = "m1"
    accent: str = "en-us"
    pitch: int = 50
    speed: int = 175

    @property
    def fundamental(self) -> float:
        """Mean fundamental frequency in Hz, about f(50) 2^((pitch - 50) / 55).

        >>> round(Voice("m8").fundamental)
        83
        """
        return MEAN_PITCH[self.variant] * 2.0 ** ((self.pitch - 50) / 55)

    @property
    def height(self) -> str | None:
        """ "low" up to 125 Hz, "high" from 190 Hz; None between, where listeners would argue."""
        return "low" if self.fundamental <= 125 else "high" if self.fundamental >= 190 else None

    @property
    def tempo(self) -> str | None:
        """ "slow" up to 115 words a minute, "fast" from 220; None between."""
        if self.speed <= 115:
            return None if self.variant in _HASTY else "slow"
        return "fast" if self.speed >= 220 else None


def have_espeak() -> bool:
    """Is the program espeak-ng there?"""
    return shutil.which("espeak-ng") is not None


def say(text: str, voice: Voice = Voice(), *, amplitude: int = 40) -> np.ndarray:
    """Let espeak-ng say a text.

    text: English words.  amplitude: 0 to 200; at 40 no variant clips.
    Returns the wave (T,) float32 in [-1, 1] at SAMPLE_RATE, with espeak's short silence at its end.
    Raises BackendMissing where espeak-ng is not installed.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise BackendMissing("espeak-ng is not installed; install it (apt install espeak-ng) to make speech")
    name = f"{voice.accent}+{voice.variant}"
    options = ["-v", name, "-p", str(voice.pitch), "-s", str(voice.speed), "-a", str(amplitude)]
    wav = subprocess.run([program, *options, "--stdout", text], capture_output=True, check=True).stdout
    rate = int.from_bytes(wav[24:28], "little")  # of the 44-byte header; its size fields mean "unknown"
    pcm = np.frombuffer(wav[44 : len(wav) - len(wav) % 2], np.int16).astype(np.float32) / 32768
    return np.clip(soxr.resample(pcm, rate, SAMPLE_RATE), -1, 1).astype(np.float32)


def trim(wave: np.ndarray, *, floor: float = 0.01, margin: float = 0.02) -> np.ndarray:
    """Cut silence off both ends: keep from the first to the last sample above floor, and margin seconds.

    >>> len(trim(np.r_[np.zeros(1000), np.ones(10), np.zeros(1000)]))
    650
    """
    loud = np.flatnonzero(np.abs(wave) > floor)
    if not len(loud):
        return wave[:0]
    extra = int(margin * SAMPLE_RATE)
    return wave[max(0, loud[0] - extra) : loud[-1] + extra + 1]


# Simple sounds: each takes a random generator and returns a wave (T,) float32, peak at most 1.


def _sweep(start: float, end: float, seconds: float, harmonics: Sequence[float]) -> np.ndarray:
    """A tone whose frequency goes from start to end (Hz) by equal ratios in equal times, ends faded.

    phase(t) = 2 pi integral of start (end / start)^(t / seconds);  harmonics: amplitudes of 1f, 2f, 3f ...
    """
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    frequency = start * (end / start) ** (t / seconds)
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    wave = sum(a * np.sin((k + 1) * phase) for k, a in enumerate(harmonics))
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)  # 10 ms
    return (wave * fade / np.sum(np.abs(harmonics))).astype(np.float32)


def beep(rng: np.random.Generator) -> np.ndarray:
    """One steady tone, 250 to 2,000 Hz, 0.15 to 1.5 s."""
    pitch = 250 * 8 ** rng.random()
    return _sweep(pitch, pitch, rng.uniform(0.15, 1.5), [1, *rng.uniform(0, 0.4, 2)])


def rise(rng: np.random.Generator) -> np.ndarray:
    """A tone that climbs by a factor of 1.6 to 4 in 0.4 to 2 s, and ends at most at 3,200 Hz."""
    start, factor = 200 * 4 ** rng.random(), 1.6 * 2.5 ** rng.random()
    return _sweep(start, start * factor, rng.uniform(0.4, 2.0), [1, *rng.uniform(0, 0.4, 2)])


def fall(rng: np.random.Generator) -> np.ndarray:
    """A rising tone, backwards."""
    return rise(rng)[::-1].copy()


def noise(length: int, rng: np.random.Generator, tilt: float = 0.0) -> np.ndarray:
    """Random noise of length samples, with mean square 1.

    tilt: the power falls as 1 / f^tilt: 0 white, 1 pink, 2 brown.
    """
    spectrum = np.fft.rfft(rng.standard_normal(length, dtype=np.float32))
    f = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 50.0)
    wave = np.fft.irfft(spectrum * f ** (-tilt / 2), length)
    return (wave / np.sqrt(np.mean(wave**2) + 1e-20)).astype(np.float32)


def hiss(rng: np.random.Generator) -> np.ndarray:
    """Loud noise, white to pink, 0.4 to 2.5 s."""
    return 0.2 * noise(int(rng.uniform(0.4, 2.5) * SAMPLE_RATE), rng, rng.uniform(0, 1.2))


def hush(rng: np.random.Generator) -> np.ndarray:
    """Digital silence, 0.3 to 2.5 s."""
    return np.zeros(int(rng.uniform(0.3, 2.5) * SAMPLE_RATE), np.float32)


MAKERS = {"beep": beep, "rise": rise, "fall": fall, "hiss": hiss, "hush": hush}


@dataclass(frozen=True)
class Truth:
    """What is in a clip: words and the voice that says them, or a simple sound (a key of SOUNDS).

    tempo, height: of the voice, None where it is neither fast nor slow, high nor low.
    """

    words: tuple[str, ...] = ()
    tempo: str | None = None
    height: str | None = None
    sound: str | None = None

    @property
    def spoken(self) -> str:
        """The words with spaces; empty for a simple sound."""
        return " ".join(self.words)


QUESTIONS = {
    "transcribe": (
        "Transcribe the audio.",
        "Transcribe this clip.",
        "What is said?",
        "What does the speaker say?",
        "Write down what you hear.",
        "Please transcribe the speech.",
    ),
    "count": (
        "How many digits are there?",
        "How many digits are said?",
        "Count the digits.",
        "How many numbers do you hear?",
    ),
    "first": ("What is the first digit?", "Which digit comes first?", "What is the first number?"),
    "last": ("What is the last digit?", "Which digit comes last?", "What is the last number?"),
    "ends": (
        "What are the first and the last digit?",
        "What are the first and last digits?",
        "Name the first and the last digit.",
    ),
    "word": ("Which word is said?", "Which word do you hear?", "What is the word?", "What is the command?"),
    "caption": (
        "Describe the sound.",
        "Describe the audio.",
        "What do you hear?",
        "Caption this clip.",
        "Describe what you hear.",
    ),
    "speech": ("Does anyone speak?", "Is there speech in the clip?", "Is anyone speaking?"),
}


def caption(truth: Truth) -> str | None:
    """One sentence for a clip, or None where the voice is neither clearly fast or slow nor high or low.

    >>> caption(Truth(("go",), "fast", "high")), caption(Truth(sound="rise"))
    ('a fast high voice says one word', 'a rising tone')
    """
    if truth.sound:
        return SOUNDS[truth.sound]
    if not (truth.tempo and truth.height):
        return None
    words = "word" if len(truth.words) == 1 else "words"
    return f"a {truth.tempo} {truth.height} voice says {DIGITS[len(truth.words)]} {words}"


def answers(truth: Truth) -> dict[str, str]:
    """The right answer for each task of QUESTIONS that makes sense for the clip.

    >>> answers(Truth(("three", "one", "four")))["ends"]
    'three and four'
    """
    said = {"transcribe": truth.spoken or "no speech", "speech": "yes" if truth.words else "no"}
    if (line := caption(truth)) is not None:
        said["caption"] = line
    digits = [word for word in truth.words if word in DIGITS]
    said["count"] = DIGITS[len(digits)]
    if digits:
        said |= {"first": digits[0], "last": digits[-1], "ends": f"{digits[0]} and {digits[-1]}"}
    if len(truth.words) == 1:
        said["word"] = truth.words[0]
    return said


@dataclass(frozen=True)
class Disturbance:
    """How a clean clip is changed before a model hears it.

    stretch: length factor (pitch falls with it).  lead, tail: seconds of silence put around.
    gain: peak of the result before noise.  snr: decibels between speech and noise, None for no noise.
    tilt: colour of the noise, see `noise`.
    """

    stretch: float = 1.0
    lead: float = 0.0
    tail: float = 0.0
    gain: float | None = None
    snr: float | None = None
    tilt: float = 0.0


def random_disturbance(rng: np.random.Generator) -> Disturbance:
    """What training hears: one clip in four is clean; signal-to-noise ratio from 8 to 45 dB otherwise."""
    return Disturbance(
        stretch=rng.uniform(0.92, 1.09) if rng.random() < 0.5 else 1.0,
        lead=rng.uniform(0, 0.3) if rng.random() < 0.8 else rng.uniform(0, 1.0),
        tail=rng.uniform(0.05, 0.4),
        gain=10 ** rng.uniform(-1.2, 0),
        snr=rng.uniform(8, 45) if rng.random() < 0.75 else None,
        tilt=rng.uniform(0, 1.5),
    )


def disturb(wave: np.ndarray, how: Disturbance, rng: np.random.Generator) -> np.ndarray:
    """Stretch, scale, put silence around, add noise; cut at MAX_SECONDS.

    SNR in decibels is 10 log10(mean square of the wave / mean square of the noise), the wave taken without
    the silence around it. Silence stays silence but for a faint noise, 60 dB below full scale or lower.

    >>> rng = np.random.default_rng(0)
    >>> disturb(np.ones(100, np.float32), Disturbance(lead=0.01, gain=0.5), rng)[158:162]
    array([0. , 0. , 0.5, 0.5], dtype=float32)
    """
    if how.stretch != 1.0:
        places = np.linspace(0, len(wave) - 1, max(1, round(len(wave) * how.stretch)))
        wave = np.interp(places, np.arange(len(wave)), wave).astype(np.float32)
    peak = float(np.abs(wave).max(initial=0.0))
    if how.gain is not None and peak > 0:
        wave = wave * np.float32(how.gain / peak)
    power = float(np.mean(wave**2)) if peak > 0 else 1e-7
    lead, tail = (np.zeros(int(s * SAMPLE_RATE), np.float32) for s in (how.lead, how.tail))
    wave = np.concatenate((lead, wave, tail))[: int(MAX_SECONDS * SAMPLE_RATE)]
    if how.snr is not None:
        wave = wave + np.sqrt(power * 10 ** (-how.snr / 10)) * noise(len(wave), rng, how.tilt)
    return wave.astype(np.float32)


def random_digits(rng: np.random.Generator) -> tuple[str, ...]:
    """One to five digits; every third string repeats a neighbour, which is the hard case ("five five")."""
    length = int(rng.choice((1, 2, 3, 4, 5), p=(0.12, 0.2, 0.24, 0.22, 0.22)))
    digits = rng.integers(0, 10, length)
    if length > 1 and rng.random() < 0.33:
        place = rng.integers(1, length)
        digits[place] = digits[place - 1]
    return tuple(DIGITS[d] for d in digits)


def random_voice(rng: np.random.Generator, variants: Sequence[str]) -> Voice:
    """A voice of the given variants: most of them clearly slow or fast, and clearly high or low.

    Pitches are drawn for their result: a deep variant is rarely made so high that it sounds high.
    """
    variant, accent = str(rng.choice(variants)), str(rng.choice(ACCENTS))
    kind = rng.random()
    band = (95, 116) if kind < 0.4 else (220, 261) if kind < 0.8 else (130, 201)
    voice = Voice(variant, accent, speed=int(rng.integers(*band)))
    clear = rng.random() < 0.85
    for _ in range(20):
        voice = replace(voice, pitch=int(rng.integers(10, 95)))
        if 65 <= voice.fundamental <= 330 and (voice.height or not clear):
            break
    return voice


@dataclass(frozen=True)
class Clips:
    """Many clean clips in one array.

    pcm: all samples one after another, int16.  starts: (clips + 1,) where each begins.
    voices, words: of each clip.
    """

    pcm: np.ndarray
    starts: np.ndarray
    voices: tuple[Voice, ...]
    words: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.words)

    def wave(self, i: int) -> np.ndarray:
        """Clip i as (T,) float32."""
        return self.pcm[self.starts[i] : self.starts[i + 1]].astype(np.float32) / 32768

    def truth(self, i: int) -> Truth:
        """What is in clip i."""
        return Truth(self.words[i], self.voices[i].tempo, self.voices[i].height)

    def save(self, path: Path) -> None:
        """Write as an .npz without pickles."""
        voices = [f"{v.variant} {v.accent} {v.pitch} {v.speed}" for v in self.voices]
        np.savez(path, pcm=self.pcm, starts=self.starts, voices=voices, words=[" ".join(w) for w in self.words])

    @classmethod
    def load(cls, path: Path) -> Clips:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            rows = (row.split() for row in file["voices"].tolist())
            voices = tuple(Voice(v, a, int(p), int(s)) for v, a, p, s in rows)
            words = tuple(tuple(line.split()) for line in file["words"].tolist())
            return cls(file["pcm"], file["starts"], voices, words)


def speak_all(scripts: Sequence[tuple[Voice, tuple[str, ...], str]], workers: int = 1) -> Clips:
    """Say every (voice, words, glue) and keep what is loud enough and fits into MAX_SECONDS."""

    def one(script: tuple[Voice, tuple[str, ...], str]) -> np.ndarray:
        voice, words, glue = script
        return trim(say(glue.join(words), voice))

    kept, voices, words = [np.zeros(0, np.int16)], [], []
    with ThreadPoolExecutor(workers) as pool:
        for script, wave in zip(scripts, pool.map(one, scripts), strict=True):
            if 0.08 < len(wave) / SAMPLE_RATE < MAX_SECONDS - 0.8:
                kept.append((wave * 32767).astype(np.int16))
                voices.append(script[0])
                words.append(script[1])
    starts = np.cumsum([len(w) for w in kept])
    return Clips(np.concatenate(kept), starts, tuple(voices), tuple(words))


def digit_scripts(
    count: int, variants: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[Voice, tuple[str, ...], str]]:
    """Digit strings, each said in one breath by a random voice, some with a comma's pause."""
    for _ in range(count):
        yield random_voice(rng, variants), random_digits(rng), " " if rng.random() < 0.75 else ", "


def word_scripts(
    voices: int, words: Sequence[str], variants: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[Voice, tuple[str, ...], str]]:
    """Each word alone, by each of some random voices; the words of a voice stay together."""
    for _ in range(voices):
        voice = random_voice(rng, variants)
        for word in words:
            yield voice, (word,), ""


def make_cached(path: Path, scripts: Sequence[tuple[Voice, tuple[str, ...], str]]) -> Clips:
    """The clips of a cache file, made first if it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        speak_all(scripts).save(part)
        part.replace(path)
    return Clips.load(path)


CACHE = Path(tempfile.gettempdir()) / "mmkit-speech"  # made again in minutes, so never committed


def training_clips(cache: Path = CACHE) -> tuple[Clips, Clips]:
    """12,000 digit strings and 400 voices' 22 single words, all of TRAIN_VOICES; about five minutes to make.

    In the second, clips 22 k to 22 k + 21 are voice k's DIGITS and COMMANDS, unless one was too quiet.
    """
    rng = np.random.default_rng(5)
    phrases = list(digit_scripts(12_000, TRAIN_VOICES, rng))
    words = list(word_scripts(400, DIGITS + COMMANDS, TRAIN_VOICES, rng))
    return make_cached(cache / "phrases.npz", phrases), make_cached(cache / "words.npz", words)


def reserved_clips(cache: Path = CACHE) -> Clips:
    """At least 500 clips of TEST_VOICES: about 350 digit strings, then 150 single command words."""
    rng = np.random.default_rng(2026)
    scripts = list(digit_scripts(360, TEST_VOICES, rng))
    scripts += [(random_voice(rng, TEST_VOICES), (COMMANDS[i % len(COMMANDS)],), "") for i in range(150)]
    return make_cached(cache / "reserved.npz", scripts)
