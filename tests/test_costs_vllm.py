"""One cost for everybody: `tokens.cost`, `preprocessor.cost`, `to_prompt`, `preprocess` and what vLLM expands.

Oracle: the placeholders of vLLM's own processors (no weights, no engine), on 200 random items of each modality:
short, long, of odd sizes and rates, from files and from memory.
"""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmkit import tokens
from mmkit.errors import LimitExceeded, MmkitError
from mmkit.preprocessor import MultiModalPreprocessor, MultiModalSample
from mmkit.zoo.media.videos import encode

pytestmark = pytest.mark.vllm


@cache
def ready(model: str) -> MultiModalPreprocessor:
    return MultiModalPreprocessor(model)


@cache
def vllm_processor(model: str):
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY
    from vllm.plugins import load_general_plugins

    from mmkit.engine import Settings, llm_arguments

    load_general_plugins()  # tiny-omni's architecture
    one = ready(model)
    allowed = llm_arguments(one.model, Settings(), one.modalities)["limit_mm_per_prompt"]
    config = ModelConfig(model=one.model, dtype="float32", max_model_len=one.context, limit_mm_per_prompt=allowed)
    return MULTIMODAL_REGISTRY.create_processor(config)


def expanded(model: str, sample: MultiModalSample) -> list[int]:
    """Tokens that vLLM makes of each item's placeholder."""
    prompt = ready(model).to_prompt(sample)
    processor = vllm_processor(model)
    out = processor(prompt.text, mm_items=processor.info.parse_mm_data(prompt.items))
    ranges = [place for places in out["mm_placeholders"].values() for place in places]
    embeds = [place.length for place in ranges]
    if prompt.cost is not None and not prompt.cost.encoded_apart:
        assert prompt.cost.total == len(out["prompt_token_ids"])
    return embeds


def agree(model: str, modality: str, source) -> int | None:
    """Ask everybody what an item costs; None where everybody refuses it in the same way."""
    sample = MultiModalSample("What?", **{f"{modality}s": [source]})
    try:
        stated = ready(model).cost(sample)
    except MmkitError as error:
        with pytest.raises(type(error)):
            ready(model).to_prompt(sample)
        if isinstance(source, bytes):
            with pytest.raises(type(error)):
                tokens.cost(source, ready(model).model)
        return None
    loaded = ready(model).to_prompt(sample).cost
    assert loaded is not None
    assert stated.total == loaded.total
    assert [item.tokens for item in stated.items] == [item.tokens for item in loaded.items]
    assert [item.size for item in stated.items] == [item.size for item in loaded.items]
    assert expanded(model, sample) == [item.tokens for item in stated.items]
    if isinstance(source, bytes):
        assert tokens.cost(source, ready(model).model).tokens == stated.items[0].tokens
    return stated.items[0].tokens


# ------------------------------------------------------------------------------------------------ pictures


def drawn_picture(seed: int) -> bytes | np.ndarray | Image.Image:
    """From 1 x 1 to 900 pixels a side, thin and thick, turned by EXIF or not, as a file, an array, a PIL image."""
    rng = np.random.default_rng(seed)
    height, width = np.exp(rng.uniform(0, np.log(900), 2)).astype(int).tolist()
    pixels = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    image, form = Image.fromarray(pixels), ("PNG", "JPEG", "WEBP", "TIFF", "array", "image")[seed % 6]
    if form == "array":
        return pixels
    if form == "image":
        return image
    exif, packed = Image.Exif(), io.BytesIO()
    exif[0x0112] = int(rng.integers(1, 9))
    image.save(packed, form, exif=exif)
    return packed.getvalue()


@pytest.mark.parametrize("model", ["tiny-qwen2-vl", "tiny-omni"])
def test_pictures(model):
    found = [agree(model, "image", drawn_picture(seed)) for seed in range(200)]
    known = {cost for cost in found if cost is not None}
    assert len(known) > (5 if model == "tiny-qwen2-vl" else 0), "the draw must reach different costs"
    assert found.count(None) < 20


# -------------------------------------------------------------------------------------------------- sounds

FORMS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("MP3", None), ("OGG", "VORBIS"), ("array", None)]


def drawn_sound(seed: int, longest: float) -> bytes | tuple[np.ndarray, int]:
    """From one sample to `longest` seconds, at five rates, one to two channels, in six forms."""
    rng = np.random.default_rng(seed)
    form, subtype = FORMS[seed % len(FORMS)]
    rate = int(rng.choice([8_000, 16_000, 22_050, 44_100, 48_000]))
    samples = max(1, int(np.exp(rng.uniform(np.log(1 / rate), np.log(longest))) * rate))
    channels = int(rng.integers(1, 3))
    wave = 0.3 * np.sin(np.arange(samples) / 7)[:, None].repeat(channels, axis=1).astype(np.float32)
    if form == "array":
        return wave[:, 0], rate
    packed = io.BytesIO()
    soundfile.write(packed, wave, rate, format=form, subtype=subtype)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("model", "longest"), [("tiny-qwen2-audio", 34.0), ("tiny-whisper", 6.0), ("tiny-omni", 6.0)]
)
def test_sounds(model, longest):
    found = [agree(model, "audio", drawn_sound(seed, longest)) for seed in range(200)]
    assert 0 < found.count(None) < 40, "some are over the window, most are not"
    assert len(set(found)) > (2 if model == "tiny-whisper" else 30) - 1


@pytest.mark.parametrize(
    ("seconds", "cost"),
    [(0.05, 2), (0.1, 2), (0.11, 3), (29.99, 750), (30.0, 750), (30.001, None), (40.0, None)],
)
def test_the_two_ends_of_the_window(seconds, cost):
    """By hand: 0.1 s are 10 frames, (10 - 1) // 2 + 1 = 5, (5 - 2) // 2 + 1 = 2; 30 s are 3,000 frames, 750."""
    packed = io.BytesIO()
    soundfile.write(packed, np.zeros(round(seconds * 16_000), np.float32), 16_000, format="WAV")
    assert agree("tiny-qwen2-audio", "audio", packed.getvalue()) == cost
    if cost is None:
        with pytest.raises(LimitExceeded, match="cut the clip into pieces"):
            tokens.cost(packed.getvalue(), ready("tiny-qwen2-audio").model)


# -------------------------------------------------------------------------------------------------- videos

CODECS = [("mp4", "mpeg4"), ("mov", "mjpeg"), ("matroska", "ffv1"), ("avi", "mpeg4"), ("webm", "libvpx")]


def drawn_video(seed: int) -> bytes | np.ndarray:
    """1 to 40 frames, odd sizes, 1 to 60 a second, turned or not, in five containers or from memory."""
    rng = np.random.default_rng(seed)
    count, (height, width) = int(rng.integers(1, 41)), (2 * rng.integers(8, 60, 2)).tolist()
    frames = np.zeros((count, height, width, 3), np.uint8) + rng.integers(0, 255, (count, 1, 1, 1), np.uint8)
    if seed % 6 == 5:
        return frames
    container, codec = CODECS[seed % 6]
    pixels = {"ffv1": "bgr0", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    fps = [Fraction(1), Fraction(10), Fraction(25), Fraction(30_000, 1_001), Fraction(60)][int(rng.integers(5))]
    rotation = int(rng.choice([0, 90])) if container in ("mp4", "mov") else 0
    return encode(frames, fps=fps, container=container, codec=codec, pixels=pixels, rotation=rotation)


def test_videos():
    from mmkit.video import load_video

    found = []
    for seed in range(200):
        source = drawn_video(seed)
        if not isinstance(source, bytes):
            source = load_video(source, fps=10, recipe=ready("tiny-qwen2-vl").family.recipes["video"])
        found.append(agree("tiny-qwen2-vl", "video", source))
    assert found.count(None) == 0
    assert len(set(found)) > 10


# ------------------------------------------------------------------------------------- several, and the verb


def test_several_items_of_several_kinds_in_one_prompt():
    for seed in range(20):
        pictures = [drawn_picture(1000 + 3 * seed + i) for i in range(seed % 3)]
        videos = [drawn_video(6 * seed)] if seed % 2 else []
        sample = MultiModalSample("数据 <|image_pad|> and?", images=pictures, videos=videos)
        try:
            stated = ready("tiny-qwen2-vl").cost(sample)
        except LimitExceeded:
            continue
        assert expanded("tiny-qwen2-vl", sample) == [item.tokens for item in stated.items]
        assert ready("tiny-qwen2-vl").preprocess(sample)["text"]["input_ids"].shape[1] == stated.total


def test_the_verbs_say_the_same(tmp_path):
    import json

    from typer.testing import CliRunner

    from mmkit.cli import app

    names = []
    for seed in range(24):
        source = drawn_sound(seed, 34.0)
        if isinstance(source, bytes):
            names.append(f"{seed}.{FORMS[seed % len(FORMS)][0].lower()}")
            (tmp_path / names[-1]).write_bytes(source)
    lines = [json.dumps({"id": name, "text": "What?", "audios": [name]}) for name in names]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    model = ["--model", "tiny-qwen2-audio"]
    checked = CliRunner().invoke(app, ["check", str(tmp_path / "in.jsonl"), *model, "--json"]).stdout
    files = [str(tmp_path / name) for name in names]
    counted = CliRunner().invoke(app, ["tokens", *files, "--recipe", "tiny-qwen2-audio", "--json"]).stdout
    around = ready("tiny-qwen2-audio").cost(
        MultiModalSample("What?", audios=[(np.zeros(16_000, np.float32), 16_000)])
    )
    for row, count in zip(map(json.loads, checked.splitlines()), json.loads(counted), strict=True):
        if "error" in row:
            assert row["error"]["type"] == count["error"]["type"]
        else:
            assert row["tokens"] == count["tokens"] + around.text
