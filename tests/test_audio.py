"""Audio: load, resample, log-mel.

Oracles: transformers' WhisperFeatureExtractor (torch path) and mel_filter_bank, torchaudio's MelSpectrogram and
melscale_fbanks, torch.stft; soundfile and PyAV write the files; the bad inputs are rows 65 to 84 of the list of
hostile inputs that the project keeps.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank as transformers_bank

from mmkit import audio
from mmkit.audio import Clip, load_audio, log_mel
from mmkit.errors import (
    BadEncoding,
    BadSampleRate,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    InvalidArgument,
    LimitExceeded,
    MediaError,
    ModelError,
    NonFiniteSamples,
    TooManyChannels,
    TruncatedMedia,
    UnsupportedFormat,
)
from mmkit.media import LIMITS
from mmkit.recipes import ARTICLE, QWEN2_AUDIO, WHISPER, WHISPER_LARGE_V3, recipe_for
from mmkit.tokens import audio_seconds, audio_tokens, cost, resampled_length
from mmkit.zoo.audio.qwen2_audio import make_processor, make_tokenizer
from mmkit.zoo.media import sounds
from mmkit.zoo.worlds.speech import have_espeak

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def file(samples: np.ndarray, rate: int = RATE, format: str = "WAV", subtype: str | None = None) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=format, subtype=subtype)
    return target.getvalue()


def av_file(samples: np.ndarray, format: str, codec: str, rate: int = RATE) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        block = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        block.sample_rate = rate
        for packet in [*stream.encode(block), *stream.encode(None)]:
            container.mux(packet)
    return target.getvalue()


def signals(length: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    bursts = np.where(np.arange(length) % 5000 < 2500, rng.normal(0, 0.3, length), 0)
    return {
        "noise": rng.normal(0, 0.1, length).astype(np.float32),
        "tone": np.sin(0.3 * np.arange(length)).astype(np.float32),
        "bursts": bursts.astype(np.float32),
        "faint": (1e-5 * np.sin(0.05 * np.arange(length))).astype(np.float32),
        "loud": (40 * np.sign(np.sin(0.01 * np.arange(length)))).astype(np.float32),
    }


# --- log-mel against the libraries ------------------------------------------------------------------------------

EXTRACTORS = {n: WhisperFeatureExtractor(feature_size=n) for n in (80, 128)}
LENGTHS = [1, 100, 200, 201, 400, 16_000, 16_001, 100_123, 479_801, 479_999, 480_000, 500_000]


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("length", LENGTHS)
def test_log_mel_equals_whisper(length, n_mels):
    recipe = replace(WHISPER, n_mels=n_mels)
    for name, wave in signals(length).items():
        expected = EXTRACTORS[n_mels](wave, sampling_rate=RATE, return_tensors="pt")["input_features"][0]
        torch.testing.assert_close(log_mel(wave, recipe), expected, rtol=0, atol=1e-5, msg=name)


@pytest.mark.parametrize("length", [201, 399, 400, 401, 16_000, 99_999, 480_000, 500_000])
def test_log_mel_without_padding_equals_whisper(length):
    recipe = replace(WHISPER, pad=False)
    for name, wave in signals(length).items():
        extractor = EXTRACTORS[80]
        expected = extractor(wave, sampling_rate=RATE, padding="do_not_pad", return_tensors="pt")
        torch.testing.assert_close(
            log_mel(wave, recipe), expected["input_features"][0], rtol=0, atol=1e-5, msg=name
        )


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 60_000), seed=st.integers(0, 2**32 - 1), gain=st.floats(-6, 1))
def test_log_mel_equals_whisper_on_anything(length, seed, gain):
    rng = np.random.default_rng(seed)
    wave = np.convolve(rng.normal(0, 10**gain, length), rng.normal(size=5), "same").astype(np.float32)
    expected = EXTRACTORS[80](wave, sampling_rate=RATE, return_tensors="pt")["input_features"][0]
    torch.testing.assert_close(log_mel(wave), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("length", [1025, 2048, 16_000, 50_001])
def test_article_recipe_equals_torchaudio(length):
    reference = torchaudio.transforms.MelSpectrogram(RATE, n_fft=2048, hop_length=512, n_mels=128)
    for name, wave in signals(length).items():
        expected = reference(torch.from_numpy(wave))
        torch.testing.assert_close(log_mel(wave, ARTICLE), expected, rtol=1e-5, atol=1e-30, msg=name)


def test_decibels_equal_torchaudio():
    wave = signals(20_000)["bursts"]
    recipe = replace(ARTICLE, log="db", dynamic_range=80.0, shift=0.0, divisor=1.0)
    mel = torchaudio.transforms.MelSpectrogram(RATE, n_fft=2048, hop_length=512, n_mels=128)(torch.from_numpy(wave))
    expected = torchaudio.transforms.AmplitudeToDB("power", top_db=80.0)(mel)
    torch.testing.assert_close(log_mel(wave, recipe), expected, rtol=0, atol=1e-4)


BANKS = [(400, 80, 16_000), (400, 128, 16_000), (512, 64, 16_000), (2048, 128, 16_000), (1024, 40, 22_050)]


@pytest.mark.parametrize(("n_fft", "n_mels", "rate"), BANKS)
@pytest.mark.parametrize(("scale", "norm", "atol"), [("slaney", "slaney", 1e-6), ("htk", None, 2e-5)])
def test_filter_banks_equal_both_libraries(n_fft, n_mels, rate, scale, norm, atol):
    bins, top = n_fft // 2 + 1, rate / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both warn that narrow bands may fall between two bins
        theirs = torchaudio.functional.melscale_fbanks(bins, 0.0, top, n_mels, rate, norm, scale)
        hers = transformers_bank(bins, n_mels, 0.0, top, rate, norm, scale)
    for dtype in ("float64", "float32"):
        ours = audio.mel_filter_bank(n_fft, n_mels, rate, scale=scale, norm=norm, dtype=dtype)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)
        torch.testing.assert_close(ours, torch.from_numpy(hers).float(), rtol=0, atol=atol)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-7)  # in float32 also HTK agrees with torchaudio


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@given(hertz=st.floats(0, 192_000))
def test_mel_scale_goes_there_and_back(scale, hertz):
    assert math.isclose(audio.mel_to_hz(audio.hz_to_mel(hertz, scale), scale), hertz, rel_tol=1e-9, abs_tol=1e-9)


def test_stft_equals_torch():
    wave = torch.from_numpy(signals(5_000)["noise"])
    for n_fft, hop in ((400, 160), (512, 128), (401, 100)):
        expected = torch.stft(wave, n_fft, hop, window=torch.hann_window(n_fft), return_complex=True).T
        torch.testing.assert_close(audio.stft(wave, n_fft, hop), expected, rtol=0, atol=1e-5)


def test_silence_is_exactly_minus_one_and_a_half():
    assert log_mel(np.zeros(RATE, np.float32)).unique().tolist() == [-1.5]


def test_whisper_values_span_at_most_two():
    for wave in signals(50_000).values():
        mel = log_mel(wave)
        assert float(mel.max() - mel.min()) <= 2.0 + 1e-6


def test_features_equal_the_processors():
    clip = Clip(signals(50_000)["noise"], RATE)
    assert list(audio.features(clip)) == ["input_features"]
    ours = audio.features(clip, QWEN2_AUDIO)
    theirs = EXTRACTORS[128](clip.wave, sampling_rate=RATE, return_attention_mask=True, return_tensors="pt")
    assert torch.equal(ours["feature_attention_mask"], theirs["attention_mask"])
    torch.testing.assert_close(ours["input_features"], theirs["input_features"], rtol=0, atol=1e-5)
    assert audio.features(Clip(tone(440, rate=44_100), 44_100))["input_features"].shape == (1, 80, 3000)


@pytest.mark.parametrize(
    ("wave", "error"),
    [
        (np.zeros((2, 100), np.float32), BadEncoding),
        (np.zeros(100, np.int16), BadEncoding),
        (np.zeros(0, np.float32), EmptyMedia),
        (np.array([0, 0, np.nan], np.float32), NonFiniteSamples),
        (np.array([0, np.inf, -np.inf], np.float32), NonFiniteSamples),
    ],
)
def test_log_mel_refuses(wave, error):
    with pytest.raises(error):
        log_mel(wave)


def test_one_nan_would_ruin_everything():
    wave = signals(RATE)["noise"]
    wave[5_000] = np.nan
    ruined = EXTRACTORS[80](wave, sampling_rate=RATE, return_tensors="pt")["input_features"]
    assert ruined.isnan().all()
    with pytest.raises(NonFiniteSamples, match="sample 5000 "):
        log_mel(wave)


# --- recipes ----------------------------------------------------------------------------------------------------


def test_recipe_of_a_model_directory(tmp_path):
    WhisperFeatureExtractor(feature_size=32, chunk_length=2).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    recipe = recipe_for(tmp_path, "audio")
    assert (recipe.n_mels, recipe.seconds, recipe.tokens, recipe.name) == (32, 2.0, "window", tmp_path.name)
    wave = signals(20_000)["noise"]
    expected = WhisperFeatureExtractor.from_pretrained(tmp_path)(wave, sampling_rate=RATE, return_tensors="pt")
    torch.testing.assert_close(log_mel(wave, recipe), expected["input_features"][0], rtol=0, atol=1e-5)


def test_recipe_by_name_and_what_is_not_known(tmp_path):
    assert recipe_for("whisper-large-v3", "audio") is WHISPER_LARGE_V3
    (tmp_path / "preprocessor_config.json").write_text('{"feature_extractor_type": "ClapFeatureExtractor"}')
    with pytest.raises(ModelError, match="ClapFeatureExtractor"):
        recipe_for(tmp_path, "audio")


# --- tokens -----------------------------------------------------------------------------------------------------

TOKEN_LENGTHS = [321, 480, 481, 640, 641, 1_000, 16_000, 16_001, 16_320, 16_321, 99_999, 479_999, 480_000, 640_000]


def test_audio_tokens_equal_the_processor():
    processor = make_processor(make_tokenizer())
    for length in TOKEN_LENGTHS:
        out = processor(text="<|AUDIO|>", audio=np.zeros(length, np.float32), sampling_rate=RATE)
        held = len(out["input_ids"][0])
        assert audio_tokens(length, QWEN2_AUDIO) == held, length


@given(tokens=st.integers(1, 749))
def test_audio_seconds_is_the_inverse(tokens):
    longest = round(audio_seconds(tokens, QWEN2_AUDIO) * RATE)
    assert audio_tokens(longest, QWEN2_AUDIO) == tokens
    assert audio_tokens(longest + 1, QWEN2_AUDIO) == tokens + 1


def test_audio_tokens_at_the_edges():
    assert audio_tokens(1, WHISPER) == audio_tokens(900_000, WHISPER) == 1500
    assert audio_tokens(1, replace(WHISPER, seconds=5.0)) == 250
    assert audio_seconds(10_000, QWEN2_AUDIO) == 30.0
    for samples, recipe, error in (
        (0, WHISPER, EmptyMedia), (320, QWEN2_AUDIO, LimitExceeded), (16_000, ARTICLE, ModelError),
    ):  # fmt: skip
        with pytest.raises(error):
            audio_tokens(samples, recipe)
    with pytest.raises(LimitExceeded):
        audio_seconds(1499, WHISPER)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3"])
def test_cost_of_a_file_is_the_cost_of_what_it_decodes_to(format, rate):
    data = file(np.zeros((rate + 77, 2), np.float32), rate, format)
    clip = audio.at_rate(load_audio(data), RATE)
    found = cost(data)
    assert found.modality == "audio"
    assert found.tokens == audio_tokens(len(clip.wave), QWEN2_AUDIO)
    assert found.size == (128, math.ceil(len(clip.wave) / 160))


@given(length=st.integers(1, 3_000), old=st.sampled_from([8_000, 11_025, 44_100, 48_000]))
def test_resampled_length(length, old):
    assert resampled_length(length, old, RATE) == len(audio.resample(np.zeros(length, np.float32), old, RATE))


@pytest.mark.vllm
def test_audio_tokens_equal_what_vllm_expands(tmp_path):
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY

    from mmkit.zoo.audio import qwen2_audio

    tokenizer = qwen2_audio.make_tokenizer()
    qwen2_audio.save(qwen2_audio.make_model(tokenizer), qwen2_audio.make_processor(tokenizer), tmp_path)
    recipe = recipe_for(tmp_path, "audio")
    config = ModelConfig(model=str(tmp_path), dtype="float32", max_model_len=1024)
    processor = MULTIMODAL_REGISTRY.create_processor(config)
    for length in TOKEN_LENGTHS:
        items = processor.info.parse_mm_data({"audio": [(np.zeros(length, np.float32), RATE)]})
        out = processor("<|AUDIO|>", mm_items=items)
        (place,) = out["mm_placeholders"]["audio"]
        assert place.length == audio_tokens(length, recipe), length
    items = processor.info.parse_mm_data({"audio": [(np.zeros(320, np.float32), RATE)]})
    with pytest.raises(ValueError, match="too short"):
        processor("<|AUDIO|>", mm_items=items)
    with pytest.raises(LimitExceeded, match="too short"):
        audio_tokens(320, recipe)


# --- resampling -------------------------------------------------------------------------------------------------


def level(wave: np.ndarray) -> float:
    """Loudness against a full-scale tone, in dB, without the ends."""
    middle = np.asarray(wave, np.float64)[2_000:-2_000]
    return 10 * math.log10(2 * np.mean(middle**2) + 1e-30)


ABOVE = [1, 5, 10, 50, 100, 500, 1_000, 2_000, 4_345, 8_000, 12_000, 14_000]  # Hz over the new Nyquist frequency
RATES = [(44_100, 16_000), (48_000, 16_000), (32_000, 16_000), (24_000, 16_000), (96_000, 16_000), (22_050, 16_000),
         (44_100, 22_050), (64_000, 48_000), (20_000, 16_000), (16_000, 8_000)]  # fmt: skip


def alias(how, hertz: float, old: int, new: int, dtype: type = np.float64) -> float:
    """Level of what a full-scale tone leaves behind, dB."""
    wave = np.sin(2 * np.pi * hertz * np.arange(round(0.7 * old)) / old + 0.3).astype(dtype)
    return level(how(wave, old, new))


@pytest.mark.parametrize(("old", "new"), RATES)
def test_alias_is_130_db_down(old, new):
    for hertz in [new / 2 + above for above in ABOVE if new / 2 + above < old / 2]:
        assert alias(audio.resample, hertz, old, new) <= -130, hertz
        assert alias(audio.resample, hertz, old, new, np.float32) <= -130, hertz


@pytest.mark.parametrize(("old", "new"), RATES[:2])
def test_alias_of_the_taught_form_is_130_db_down(old, new):
    for hertz in (8_001, 8_100, 12_000):
        assert alias(audio.windowed_sinc, hertz, old, new) <= -130, hertz


def test_pass_band_is_untouched():
    for hertz in (50, 440, 4_000, 7_000, 7_300):
        assert abs(level(audio.resample(tone(hertz, rate=44_100, amplitude=1.0), 44_100, RATE))) < 0.02, hertz


@pytest.mark.parametrize(("old", "new"), [(44_100, 16_000), (8_000, 16_000), (48_000, 44_100)])
def test_resample_is_the_windowed_sinc(old, new):
    wave = tone(440, rate=old) + tone(1_234, rate=old)
    ours, taught = audio.resample(wave, old, new), audio.windowed_sinc(wave, old, new)
    assert abs(len(ours) - len(taught)) <= 1
    middle = slice(1_000, min(len(ours), len(taught)) - 1_000)
    np.testing.assert_allclose(ours[middle], taught[middle], atol=2e-6)


@given(length=st.integers(0, 5_000), old=st.sampled_from([8_000, 11_025, 44_100]), new=st.integers(4_000, 48_000))
def test_resample_keeps_the_duration_and_dtype(length, old, new):
    out = audio.resample(np.zeros(length, np.float32), old, new)
    assert abs(len(out) - length * new / old) <= 1
    assert out.dtype == np.float32


@pytest.mark.parametrize("rate", [0, 1, -16_000, 1_000_000, 16_000.5, float("nan"), "16000", None, True])
def test_resample_refuses_rates(rate):
    with pytest.raises(BadSampleRate):
        audio.resample(np.zeros(100, np.float32), 16_000, rate)


def test_at_rate_notes_what_it_did():
    clip = Clip(tone(440, rate=44_100), 44_100, ("first",))
    moved = audio.at_rate(clip, RATE)
    assert moved.notes == ("first", "resampled from 44100 to 16000 Hz")
    assert (moved.sample_rate, moved.wave.dtype, moved.wave.flags.c_contiguous) == (RATE, np.float32, True)
    assert audio.at_rate(moved, RATE) is moved


# --- loading: what is right -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "subtype", "atol"),
    [
        ("WAV", "PCM_U8", 2**-6), ("WAV", "PCM_16", 2**-14), ("WAV", "PCM_24", 2**-22), ("WAV", "PCM_32", 2**-23),
        ("WAV", "FLOAT", 0), ("WAV", "DOUBLE", 0), ("WAVEX", "PCM_24", 2**-22),
        ("FLAC", "PCM_16", 2**-14), ("FLAC", "PCM_24", 2**-22), ("FLAC", "PCM_S8", 2**-6),
        ("OGG", "VORBIS", 0.1), ("MP3", "MPEG_LAYER_III", 0.1),
    ],
)  # fmt: skip
def test_every_width_and_format(format, subtype, atol):
    wave = tone(440)
    clip = load_audio(file(wave, format=format, subtype=subtype))
    assert (clip.sample_rate, clip.notes, clip.wave.dtype) == (RATE, (), np.float32)
    np.testing.assert_allclose(clip.wave, wave, rtol=0, atol=atol)


def test_opus():
    clip = load_audio(file(tone(440), format="OGG", subtype="OPUS"))
    assert clip.sample_rate == RATE
    assert abs(clip.seconds - 1) < 0.01


@pytest.mark.parametrize(
    ("format", "codec"), [("ipod", "aac"), ("mp4", "aac"), ("ipod", "alac"), ("matroska", "aac")]
)
def test_what_only_ffmpeg_reads(format, codec):
    wave = tone(440, seconds=2)
    clip = load_audio(av_file(wave, format, codec))
    assert clip.sample_rate == RATE
    assert abs(clip.seconds - 2) < 0.15  # AAC pads to whole frames, and starts with one
    if codec == "alac":
        np.testing.assert_allclose(clip.wave, wave, atol=2**-14)
    assert level(clip.wave) == pytest.approx(level(wave), abs=0.1)


def test_sources_of_every_kind(tmp_path):
    wave = tone(440)
    data = file(wave, subtype="FLOAT")
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    clip = load_audio(data)
    for source in (path, str(path), io.BytesIO(data), (wave, RATE), (torch.from_numpy(wave), RATE), clip):
        np.testing.assert_array_equal(load_audio(source).wave, wave)
    np.testing.assert_array_equal(load_audio("a.wav", root=tmp_path).wave, wave)
    assert load_audio(path).source == "a.wav"
    assert load_audio(wave, sample_rate=RATE).sample_rate == RATE


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("int8", 128, 0), ("int16", 32768, 0), ("int32", 2**31, 0), ("uint8", 128, 128), ("float32", 1, 0),
     ("float64", 1, 0), ("float16", 1, 0)],
)  # fmt: skip
def test_dtype_rule(dtype, scale, offset):
    wave = np.array([0.0, 0.5, -0.5, -1.0, 0.25])
    array = (wave * scale + offset).astype(dtype)
    np.testing.assert_array_equal(load_audio(array, sample_rate=RATE).wave, wave.astype(np.float32))


def test_layouts_of_arrays():
    stereo = np.stack([tone(440), tone(880)], axis=1)  # T C
    mean = stereo.mean(axis=1)
    for source, layout in ((stereo, "TC"), (stereo.T, "CT"), (torch.from_numpy(stereo.T), "CT")):
        clip = load_audio(source, sample_rate=RATE, layout=layout)
        np.testing.assert_allclose(clip.wave, mean, atol=1e-7)
        assert clip.notes == ("mixed 2 channels by their mean",)
        assert clip.wave.flags.c_contiguous
    for one in (stereo[:, :1], stereo[:, :1].T):  # one channel tells by itself which axis is time
        np.testing.assert_array_equal(load_audio(one, sample_rate=RATE).wave, stereo[:, 0])
    with pytest.raises(BadEncoding, match="layout="):
        load_audio(stereo, sample_rate=RATE)
    with pytest.raises(TooManyChannels):
        load_audio(stereo, sample_rate=RATE, layout="CT")


def test_stereo_file_is_the_mean_of_its_channels():
    stereo = np.stack([tone(440), tone(880)], axis=1)
    clip = load_audio(file(stereo, subtype="FLOAT"))
    np.testing.assert_allclose(clip.wave, stereo.mean(axis=1), atol=1e-7)


def facts(clip: Clip) -> str:
    return "; ".join(clip.notes)


def test_opposite_channels_cancel_and_it_is_said():
    wave = tone(440)
    clip = load_audio(file(np.stack([wave, -wave], axis=1), subtype="FLOAT"))
    assert "channels cancel" in facts(clip)
    assert "silent" in facts(clip)
    assert "cancel" not in facts(load_audio(file(np.stack([wave, 0 * wave], axis=1), subtype="FLOAT")))


@pytest.mark.parametrize(
    ("wave", "fact"),
    [
        (np.zeros(RATE, np.float32), "silent: every sample is 0"),
        (tone(440, amplitude=1e-4), "nearly silent: the peak is 80 dB below"),
        (np.clip(tone(440, amplitude=3), -1, 1), "clipped: "),
        (tone(440) + 0.2, "DC offset: the mean is +0.200"),
        (tone(440, amplitude=40), "peak 40 is over full scale"),
        (tone(440, amplitude=30_000), "divide int16 by 32768"),
        (tone(440, seconds=0.005), "only 80 samples"),
    ],
)
def test_facts_are_noted_and_nothing_is_changed(wave, fact):
    clip = load_audio(wave, sample_rate=RATE)
    assert fact in facts(clip)
    np.testing.assert_array_equal(clip.wave, wave.astype(np.float32))


@pytest.mark.parametrize("amplitude", [0.1, 0.9, 1.0])
def test_a_clean_clip_has_no_notes(amplitude):
    assert load_audio(tone(440, amplitude=amplitude), sample_rate=RATE).notes == ()


def test_streamed_wav_is_read_with_a_note():
    data = bytearray(file(tone(440), subtype="PCM_16"))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    clip = load_audio(bytes(data))
    assert len(clip.wave) == RATE
    assert "stream" in facts(clip)


def test_mp3_named_wav_is_read_with_a_note(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(file(tone(440), format="MP3", subtype="MPEG_LAYER_III"))
    assert "the content is mp3" in facts(load_audio(path))


def test_one_sample_is_enough():
    clip = load_audio(file(tone(440)[:1]))
    assert "shorter than one window" in facts(clip)
    assert log_mel(clip.wave, replace(WHISPER, pad=False)).shape == (80, 1)


def test_seven_channels_are_mixed_and_forty_are_not():
    wave = np.stack([tone(100 * (c + 1)) for c in range(7)], axis=1)
    clip = load_audio(file(wave, subtype="FLOAT"))
    assert clip.notes == ("mixed 7 channels by their mean",)
    with pytest.raises(TooManyChannels):
        load_audio(file(np.zeros((100, 40), np.float32)))


# --- loading: what is wrong -------------------------------------------------------------------------------------


def header(channels: int = 1, rate: int = RATE, bits: int = 16, tag: int = 1, samples: int = 1000) -> bytes:
    block = channels * bits // 8
    size = (samples * block) & 0xFFFFFFFF
    fmt = struct.pack("<HHIIHH", tag, channels & 0xFFFF, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    head = b"RIFF" + struct.pack("<I", (36 + size) & 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16)
    return head + fmt + b"data" + struct.pack("<I", size)


WAV = file(tone(440), subtype="PCM_16")
FLAC = file(tone(440), format="FLAC")
OGG = file(tone(440), format="OGG")
MP3 = file(tone(440), format="MP3", subtype="MPEG_LAYER_III")
M4A = av_file(tone(440), "ipod", "aac")
NAN = tone(440)
NAN[[4_000, 9_000]] = np.nan
BAD = {
    "65 nothing": (b"", EmptyMedia),
    "66 no samples": (file(np.zeros(0, np.float32)), EmptyMedia),
    "69 ima adpcm": (file(tone(440), subtype="IMA_ADPCM"), UnsupportedFormat),
    "69 ms adpcm": (file(tone(440), subtype="MS_ADPCM"), UnsupportedFormat),
    "70 nan": (file(NAN, subtype="FLOAT"), NonFiniteSamples),
    "70 infinity": (file(np.where(np.isnan(NAN), np.inf, NAN), subtype="DOUBLE"), NonFiniteSamples),
    "73 no channels": (header(channels=0) + bytes(2000), CorruptMedia),
    "73 65535 channels": (header(channels=65_535, bits=16, samples=0) + bytes(2000), MediaError),
    "74 rate 0": (header(rate=0) + bytes(2000), BadSampleRate),
    "74 rate 4e9": (header(rate=4_000_000_000) + bytes(2000), BadSampleRate),
    "75 rate 1": (file(tone(440), rate=1), BadSampleRate),
    "75 rate 1e6": (file(tone(440), rate=1_000_000), BadSampleRate),
    "76 data says 2 GB": (header(samples=1 << 30) + bytes(2000), TruncatedMedia),
    "77 odd byte": (WAV[:-1], TruncatedMedia),
    "77 half": (WAV[: len(WAV) // 2], TruncatedMedia),
    "78 flac half": (FLAC[: len(FLAC) // 2], TruncatedMedia),
    "78 flac one byte": (FLAC[:-1], TruncatedMedia),
    "78 ogg half": (OGG[: len(OGG) // 2], TruncatedMedia),
    "78 mp3 half": (MP3[: len(MP3) // 2], TruncatedMedia),
    "78 m4a half": (M4A[: len(M4A) // 2], CorruptMedia),
    "80 text": (b"<html><body>not found</body></html>", UnsupportedFormat),
    "80 picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), MediaError),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file(name):
    data, error = BAD[name]
    with pytest.raises(error) as caught:
        load_audio(data)
    message = str(caught.value)
    assert message.startswith("audio")
    assert "0x" not in message
    assert "object at" not in message


def test_nan_names_the_first_sample():
    with pytest.raises(NonFiniteSamples, match=r"sample 4000 \(0\.250 s\).* 2 in all"):
        load_audio(BAD["70 nan"][0])


def test_a_bomb_is_stopped_by_its_samples():
    bomb = file(np.zeros((200_000, 2), np.int16), format="FLAC")
    assert len(bomb) < 10_000
    with pytest.raises(DecodedTooLarge):
        load_audio(bomb, limits=replace(LIMITS, max_samples=300_000))
    with pytest.raises(DecodedTooLarge):
        load_audio(av_file(np.zeros(200_000), "ipod", "aac"), limits=replace(LIMITS, max_samples=100_000))


def test_a_video_without_sound_is_no_sound():
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        for packet in [*stream.encode(picture), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(EmptyMedia, match="no sound track"):
        load_audio(target.getvalue())


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        (np.zeros(10, np.float32), {}, BadSampleRate),
        (np.zeros(10, np.float32), {"sample_rate": 1}, BadSampleRate),
        (np.zeros(0, np.float32), {"sample_rate": RATE}, EmptyMedia),
        (np.zeros((2, 3, 4), np.float32), {"sample_rate": RATE}, BadEncoding),
        (np.zeros((2, 3), np.float32), {"sample_rate": RATE, "layout": "HW"}, InvalidArgument),
        (np.zeros(10, np.complex64), {"sample_rate": RATE}, BadEncoding),
        (np.zeros(10, np.int64), {"sample_rate": RATE}, BadEncoding),
        (np.zeros(10, bool), {"sample_rate": RATE}, BadEncoding),
        (np.array(["a"]), {"sample_rate": RATE}, BadEncoding),
        (np.array([1e300, 0.0]), {"sample_rate": RATE}, NonFiniteSamples),
        (
            np.zeros(1000, np.float32),
            {"sample_rate": RATE, "limits": replace(LIMITS, max_samples=10)},
            DecodedTooLarge,
        ),
        (None, {}, MediaError),
        (42, {}, MediaError),
        ([0.0, 1.0], {"sample_rate": RATE}, MediaError),
        ("no/such/file.wav", {}, MediaError),
        (WAV, {"sample_rate": 8_000}, BadSampleRate),
    ],
)
def test_bad_source(source, options, error):
    with pytest.raises(error) as caught:
        load_audio(source, **options)
    assert str(caught.value).startswith("audio")


def test_a_file_that_says_another_rate_than_the_caller():
    with pytest.raises(BadSampleRate, match="at_rate"):
        load_audio(WAV, sample_rate=8_000)
    assert load_audio(WAV, sample_rate=RATE).sample_rate == RATE


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_files_give_a_clip_or_a_typed_error(data):
    original = data.draw(st.sampled_from([WAV, FLAC, OGG, MP3, M4A]))
    broken = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, min(len(broken) - 1, 300)))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.one_of(st.just(len(broken)), st.integers(0, len(broken))))
    try:
        clip = load_audio(bytes(broken[:keep]))
    except MediaError:
        return
    assert clip.wave.dtype == np.float32
    assert np.isfinite(clip.wave).all()
    assert clip.wave.ndim == 1


@pytest.mark.parametrize("data", [WAV, FLAC, OGG], ids=["wav", "flac", "ogg"])
def test_no_cut_goes_unnoticed(data):
    for keep in range(1, len(data), max(1, len(data) // 60)):
        with pytest.raises(MediaError):
            load_audio(data[:keep])


# --- the course's clips -----------------------------------------------------------------------------------------

DATA = Path(__file__).resolve().parents[1] / "data"
CLIPS = {  # file -> rate, tokens of Qwen2-Audio
    "three_one_four.wav": (16_000, 34),
    "stop.flac": (16_000, 20),
    "five_two.ogg": (16_000, 26),
    "seven_two_fast.ogg": (16_000, 20),
    "four_nine_zero_slow.ogg": (16_000, 50),
    "yes_left_no_right.flac": (16_000, 22),
    "go_opposite.wav": (16_000, 14),
    "left_and_whistle.flac": (44_100, 19),
    "red.flac": (16_000, 19),
    "green.flac": (16_000, 19),
    "circle.flac": (16_000, 21),
    "three.flac": (16_000, 18),
    "one.flac": (16_000, 19),
    "two.flac": (16_000, 17),
    "rising.ogg": (16_000, 25),
    "beep.wav": (8_000, 10),
}


@pytest.mark.parametrize("name", CLIPS)
def test_course_clip(name):
    clip = load_audio(DATA / name)
    assert (clip.sample_rate, cost(DATA / name).tokens) == CLIPS[name]
    assert (DATA / name).stat().st_size < 100_000


@pytest.mark.skipif(
    not have_espeak(), reason="espeak-ng is not installed: the committed clips cannot be made again"
)
def test_course_clips_are_what_their_command_makes():
    made = sounds.course_sounds()
    assert sorted(made) == sorted(CLIPS)
    for name, data in made.items():
        again, kept = load_audio(data), load_audio(DATA / name)
        np.testing.assert_allclose(again.wave, kept.wave, atol=1e-3, err_msg=name)  # codecs differ between builds
