"""Videos: the painted index of a frame is the oracle; PyAV's plain decode and transformers are the others."""

from __future__ import annotations

import base64
import io
import random
import struct
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmkit.errors import (
    BadEncoding,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    InvalidArgument,
    LimitExceeded,
    MediaError,
    PlaceholderMismatch,
    SourceNotAllowed,
    SourceNotFound,
    TruncatedMedia,
    UnsupportedFormat,
)
from mmkit.media import LIMITS
from mmkit.recipes import QWEN2_VL_VIDEO, QWEN3_VL_VIDEO
from mmkit.tokens import cost, fit_frames, video_tokens
from mmkit.video import (
    _check_missing,
    features,
    load_video,
    patch_times,
    sample_by_count,
    sample_by_rate,
    seconds_per_patch,
    target_size,
)
from mmkit.zoo.media.videos import bursts, circle_frames, course_videos, encode, index_frames, read_index

SHORT = index_frames(24)


def plain_decode(data: bytes) -> tuple[list[np.ndarray], list[float]]:
    """The oracle: PyAV from the first packet to the last, nothing left out."""
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time for frame in frames]


# ------------------------------------------------------------------------------------ 50 files, true indices

CODECS = [  # container, codec, pixels, options, may its sides be odd?
    ("mp4", "libx264", "yuv420p", {"bf": "3", "g": "12"}, False),
    ("mov", "libx264", "yuv420p", {"bf": "2", "g": "250"}, False),
    ("matroska", "libx264", "yuv420p", {"bf": "0", "g": "10"}, False),
    ("matroska", "libx264", "yuv420p", {"x264-params": "open-gop=1:keyint=8:bframes=3:scenecut=0"}, False),
    ("mp4", "libx264", "yuv420p", {"x264-params": "intra-refresh=1:keyint=8"}, False),
    (
        "mp4",
        "libx265",
        "yuv420p",
        {"x265-params": "log-level=none:open-gop=1:keyint=9:bframes=4"},
        False,
    ),
    ("webm", "libvpx-vp9", "yuv420p", {"g": "10", "cpu-used": "8", "crf": "20", "b": "0"}, True),
    ("webm", "libvpx", "yuv420p", {"g": "10", "auto-alt-ref": "1", "lag-in-frames": "8", "b": "500k"}, True),
    ("mp4", "mpeg4", "yuv420p", {"bf": "2", "qscale": "3"}, True),
    ("matroska", "ffv1", "bgr0", {}, True),
]
# AVI states no times of display, so it is not among them: `test_avi_counts_by_decoding`.


def drawn_file(seed: int) -> tuple[bytes, list[float], int]:
    """A file that differs from its neighbours in codec, container, size, rate, times and rotation."""
    rng = random.Random(seed)
    container, codec, pixels, options, odd = CODECS[seed % len(CODECS)]
    height, width = rng.choice([(64, 96), (80, 80), (72, 128)])  # x265 aborts below 64
    if odd and rng.random() < 0.7:
        height, width = height + 1, width + 3
    count = rng.choice([9, 24, 41])
    rotation = rng.choice([0, 90, 180, 270]) if container in ("mp4", "mov", "matroska") else 0
    if seed % 3 == 2:
        times = bursts(count, seed).tolist()
        data = encode(
            index_frames(count, height, width), times=times, container=container, codec=codec, pixels=pixels,
            rotation=rotation, options=options,
        )  # fmt: skip
    else:
        fps = rng.choice([Fraction(25), Fraction(30000, 1001), Fraction(10), Fraction(1)])
        times = [float(i / fps) for i in range(count)]
        data = encode(
            index_frames(count, height, width), fps=fps, container=container, codec=codec, pixels=pixels,
            rotation=rotation, options=options,
        )  # fmt: skip
    return data, times, rotation


@pytest.mark.parametrize("seed", range(50))
def test_drawn_index_is_reported_index_and_time_is_the_containers(seed):
    data, times, rotation = drawn_file(seed)
    frames, stated = plain_decode(data)
    half = min(np.diff(times)) / 2
    for wanted in ({}, {"count": 5}, {"indices": [len(times) - 1, 3, 7, 3]}, {"rate": 2}):
        video = load_video(data, **wanted)
        assert [read_index(frame) for frame in video.frames] == video.indices.tolist()
        assert np.abs(video.times - np.array(times)[video.indices]).max() < half
        assert np.abs(video.times - np.array(stated)[video.indices]).max() == 0
        for frame, index in zip(video.frames, video.indices, strict=True):
            assert np.array_equal(frame, np.rot90(frames[index], rotation // 90)), "not the plain decode"
        assert video.total_frames == len(times) == len(frames)
        assert any("turned by" in note for note in video.notes) == bool(rotation)
        assert not any("declared" in note or "asked" in note for note in video.notes)
        # What a model computes from the metadata is the true time, to half a tick of its clock.
        seconds = np.array(video.metadata["frames_indices"]) / video.metadata["fps"]
        assert np.abs(seconds - (video.times - video.start)).max() <= 0.5 / video.fps + 1e-9


def test_only_what_is_needed_is_decoded(monkeypatch):
    """One frame near the end of a file with many key frames costs less than a tenth of its packets."""
    import mmkit.video as module

    data = encode(index_frames(200, 48, 80), options={"g": "10", "bf": "2"})
    fed = []
    decode = module._decode
    monkeypatch.setattr(
        module, "_decode", lambda c, packets, skip=None: fed.append(len(packets)) or decode(c, packets, skip)
    )
    assert read_index(load_video(data, indices=[195]).frames[0]) == 195
    assert sum(fed) < 20


def test_avi_counts_by_decoding():
    """AVI states no times of display: B-frames come with the times of decoding, out of order."""
    video = load_video(encode(SHORT, container="avi", options={"bf": "3"}), count=6)
    assert [read_index(frame) for frame in video.frames] == video.indices.tolist()
    np.testing.assert_allclose(video.times, video.indices / 25)
    assert "no times of display" in video.notes[0]


def test_mirrored_video_is_mirrored_back():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 160, 96, "yuv420p"
        stream.set_display_rotation(90, hflip=True)
        for frame in SHORT:
            stored = np.ascontiguousarray(np.rot90(frame[:, ::-1], -1))  # undo the flip, then the turn
            output.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        output.mux(stream.encode(None))
    video = load_video(buffer.getvalue())
    assert [read_index(frame) for frame in video.frames] == list(range(24))
    assert any("mirrored" in note for note in video.notes)


def test_rotation_equals_opencv():
    """OpenCV, which vLLM's default loader uses, turns frames by itself: the same way."""
    cv2 = pytest.importorskip("cv2")
    for turn in (90, 180, 270):
        data = encode(SHORT, rotation=turn)
        capture = cv2.VideoCapture(io.BytesIO(data), cv2.CAP_FFMPEG, [])
        ok, frame = capture.read()
        assert ok
        ours = load_video(data, indices=[0]).frames[0].astype(int)
        assert np.abs(ours - cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).max() <= 2  # its own colour conversion


def test_variable_rate_metadata_tells_true_seconds():
    """index / fps is seconds off at a variable rate; the metadata's clock is not."""
    times = [0.0, 0.1, 0.2, 9.0, 9.1, 9.2]
    video = load_video(encode(index_frames(6), times=times))
    assert video.indices.tolist() == list(range(6))
    np.testing.assert_allclose(video.times, times, atol=1e-4)
    assert abs(video.indices[3] / video.fps - 9.0) > 3
    meta = video.metadata
    assert abs(meta["frames_indices"][3] / meta["fps"] - 9.0) <= 0.5 / meta["fps"]
    assert meta["total_num_frames"] > max(meta["frames_indices"])
    assert any("variable frame rate" in note for note in video.notes)


def test_a_last_frame_that_stands_long_is_no_truncation():
    """A recording of a screen: ten frames at once, one after a minute; Matroska states only the duration."""
    times = [*np.arange(10) / 25, 60.0]
    video = load_video(encode(index_frames(11), times=times, container="matroska"))
    assert video.total_frames == 11
    assert not any("declared" in note for note in video.notes)


def test_metadata_has_the_keys_of_vllm():
    meta = load_video(encode(SHORT, fps=8), count=4).metadata
    assert meta == {
        "total_num_frames": 24, "fps": 8.0, "duration": 3.0, "video_backend": "pyav",
        "frames_indices": [0, 7, 15, 23], "do_sample_frames": False,
    }  # fmt: skip
    from transformers.video_utils import VideoMetadata

    known = VideoMetadata(**{key: value for key, value in meta.items() if key != "do_sample_frames"})
    assert known.timestamps == [0.0, 0.875, 1.875, 2.875]


@pytest.mark.vllm
def test_metadata_and_frames_equal_vllms_own_loader():
    """vLLM's default loader (OpenCV) on the same bytes: same indices, same metadata, same picture."""
    from vllm.multimodal.video import VIDEO_LOADER_REGISTRY

    data = encode(index_frames(50), fps=10)
    for name, options, wanted in (
        ("opencv", {"num_frames": 12}, {"count": 12}),
        ("qwen2_vl", {"fps": 2}, {"rate": 2}),
        ("qwen3_vl", {"fps": 2}, None),
    ):
        frames, theirs = VIDEO_LOADER_REGISTRY.load(name).load_bytes(data, **options)
        video = load_video(data, **(wanted or {"indices": theirs["frames_indices"]}))
        ours = video.metadata
        assert set(ours) == set(theirs)
        same = ("total_num_frames", "fps", "duration", "frames_indices", "do_sample_frames")
        assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
        assert [read_index(frame) for frame in frames] == [read_index(frame) for frame in video.frames]


# -------------------------------------------------------------------------------------------- which frames?


@pytest.mark.parametrize("total", [2, 3, 4, 5, 9, 50, 300, 451, 997])
def test_sample_by_rate_equals_transformers_and_vllm(total):
    """451 frames: float32 steps land on index 451, which vLLM cuts back; transformers would fail on it."""
    from transformers import Qwen2VLVideoProcessor
    from transformers.video_utils import VideoMetadata

    processor = Qwen2VLVideoProcessor()
    for source in (24, 25, 30000 / 1001, 1, 7.5, 60):
        for target in (0.5, 1, 2, 2.5, 30):
            meta = VideoMetadata(total_num_frames=total, fps=source)
            theirs = processor.sample_frames(meta, fps=target).clamp(max=total - 1).tolist()
            assert sample_by_rate(total, source, target).tolist() == theirs


def test_sample_by_rate_equals_qwen_vl_utils_rule():
    """Its own lines (0.0.14): smart_nframes, then linspace(0, total - 1, n).round()."""
    for total, source, target in [(250, 25, 2), (300, 29.97, 1), (77, 10, 4), (9, 30, 2)]:
        high = min(768, total) // 2 * 2
        n = int(min(min(max(total / source * target, 4), high), total) // 2 * 2)
        theirs = torch.linspace(0, total - 1, n).round().long().tolist()
        assert sample_by_rate(total, source, target, rule="qwen-vl-utils").tolist() == theirs


@given(total=st.integers(1, 2000), count=st.integers(1, 64))
@settings(deadline=None, max_examples=100)
def test_samples_are_increasing_and_exist(total, count):
    for rule in ("vllm", "transformers", "qwen-vl-utils"):
        indices = sample_by_count(total, count, rule)
        assert indices[0] == 0
        assert indices[-1] < total
        assert np.all(np.diff(indices) > 0)
        assert len(indices) == min(total, count) or rule != "vllm"
    indices = sample_by_rate(total, 25, count / 4)
    assert 1 <= len(indices) <= total
    assert np.all(np.diff(indices) > 0)


def test_sample_by_count_by_hand():
    """Ten frames, four wanted: each rule's own answer, and all frames where there are no more."""
    assert sample_by_count(10, 4).tolist() == [0, 3, 6, 9]
    assert sample_by_count(10, 4, "transformers").tolist() == [0, 2, 5, 7]
    assert sample_by_count(10, 5, "qwen-vl-utils").tolist() == [0, 3, 6, 9]
    assert sample_by_count(3, 32).tolist() == [0, 1, 2]


# ----------------------------------------------------------------------------------------- patches and times


@pytest.mark.parametrize("shape", [(1, 64, 96), (2, 100, 60), (5, 97, 131), (8, 30, 200), (7, 360, 480)])
@pytest.mark.parametrize("recipe", [QWEN2_VL_VIDEO, QWEN3_VL_VIDEO], ids=lambda recipe: recipe.name)
def test_features_equal_transformers_bit_for_bit(shape, recipe):
    from transformers import Qwen2VLVideoProcessor, Qwen3VLVideoProcessor

    kind = Qwen2VLVideoProcessor if recipe is QWEN2_VL_VIDEO else Qwen3VLVideoProcessor
    frames = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)
    if recipe is QWEN3_VL_VIDEO and shape[0] == 1:
        with pytest.raises(LimitExceeded):
            features(frames, recipe)
        return
    processor = kind(cap_pixels_per_frame=False)
    theirs = processor(videos=[frames], do_sample_frames=False, return_tensors="pt")
    ours = features(frames, recipe)
    assert set(ours) == {"pixel_values_videos", "video_grid_thw"}
    assert torch.equal(ours["pixel_values_videos"], theirs["pixel_values_videos"])
    assert torch.equal(ours["video_grid_thw"], theirs["video_grid_thw"])
    as_bytes = processor(videos=[frames], do_sample_frames=False, do_rescale=False, do_normalize=False,
                         return_tensors="pt")  # fmt: skip
    assert torch.equal(features(frames, recipe, "uint8")["pixel_values_videos"], as_bytes["pixel_values_videos"])


def test_an_odd_clip_repeats_its_last_frame():
    frames = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    padded = np.concatenate([frames, frames[-1:]])
    assert torch.equal(*(features(f, QWEN2_VL_VIDEO)["pixel_values_videos"] for f in (frames, padded)))


@given(frames=st.integers(2, 60), height=st.integers(20, 900), width=st.integers(20, 900), clip=st.booleans())
@settings(deadline=None, max_examples=100)
def test_target_size_equals_transformers(frames, height, width, clip):
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import smart_resize as qwen2
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as qwen3

    recipe = QWEN3_VL_VIDEO if clip else QWEN2_VL_VIDEO
    limits = {"min_pixels": recipe.min_pixels, "max_pixels": recipe.max_pixels, "factor": recipe.patch * 2}
    theirs = qwen3(frames, height, width, **limits) if clip else qwen2(height, width, **limits)
    assert target_size(frames, height, width, recipe) == theirs


@given(indices=st.lists(st.integers(0, 500), min_size=1, max_size=20), fps=st.floats(1, 60))
@settings(deadline=None, max_examples=50)
def test_patch_times_equal_qwen3s(indices, fps):
    from transformers import Qwen3VLProcessor

    theirs = Qwen3VLProcessor._calculate_timestamps(None, list(indices), fps, 2)
    np.testing.assert_allclose(patch_times(np.array(indices) / fps), theirs, rtol=1e-12)


def test_seconds_per_patch_equals_qwen2_5s():
    """Its processor: temporal_patch_size / metadata.sampled_fps."""
    from transformers.video_utils import VideoMetadata

    meta = VideoMetadata(total_num_frames=300, fps=30, frames_indices=list(range(0, 300, 15)))
    assert seconds_per_patch(20, 300, 30) == pytest.approx(2 / meta.sampled_fps) == pytest.approx(1.0)


# ------------------------------------------------------------------------------------------------ what it costs


@given(frames=st.integers(2, 40), height=st.integers(20, 900), width=st.integers(20, 900))
@settings(deadline=None, max_examples=60)
def test_video_tokens_equal_transformers(frames, height, width):
    """Qwen2-VL's own count; and the grid of features, for both families."""
    from transformers import Qwen2VLVideoProcessor

    theirs = Qwen2VLVideoProcessor(cap_pixels_per_frame=False).get_num_of_video_patches(frames, height, width, {})
    assert video_tokens(frames, height, width, QWEN2_VL_VIDEO) == theirs // 4


@pytest.mark.parametrize("recipe", [QWEN2_VL_VIDEO, QWEN3_VL_VIDEO], ids=lambda recipe: recipe.name)
def test_video_tokens_equal_the_grid_of_features(recipe):
    for shape in [(2, 60, 90), (5, 100, 40), (9, 33, 33)]:
        grid = features(np.zeros((*shape, 3), np.uint8), recipe)["video_grid_thw"]
        assert video_tokens(*shape, recipe) == int(grid.prod()) // 4


def test_cost_of_a_file_is_the_cost_of_what_is_loaded():
    for data in (encode(index_frames(50), fps=10), encode(index_frames(50), times=bursts(50)),
                 encode(SHORT, container="avi", options={"bf": "2"})):  # fmt: skip
        found = cost(data)
        video = load_video(data, recipe=QWEN2_VL_VIDEO)
        grid = features(video, QWEN2_VL_VIDEO)["video_grid_thw"]
        assert found.tokens == int(grid.prod()) // 4
        assert found.size == (len(video.frames), *target_size(*video.frames.shape[:3], QWEN2_VL_VIDEO))
        assert found.modality == "video"


def test_fit_frames_is_the_most_that_fits():
    for budget in (720, 1500, 5000):
        frames = fit_frames(720, 1280, budget, QWEN2_VL_VIDEO)
        assert video_tokens(frames, 720, 1280, QWEN2_VL_VIDEO) <= budget
        assert video_tokens(frames + 1, 720, 1280, QWEN2_VL_VIDEO) > budget
    with pytest.raises(LimitExceeded, match="cost 720 tokens, not 100"):
        fit_frames(720, 1280, 100, QWEN2_VL_VIDEO)


# ------------------------------------------------------------------------------------------------ from frames


def test_frames_need_a_clock():
    with pytest.raises(BadEncoding, match=r"pass fps= .* or times="):
        load_video(SHORT)


def test_frames_with_a_rate_or_times():
    by_rate = load_video(SHORT, fps=2, count=3)
    assert by_rate.indices.tolist() == [0, 11, 23]
    assert by_rate.times.tolist() == [0.0, 5.5, 11.5]
    assert by_rate.duration == 12.0
    images = [Image.fromarray(frame) for frame in SHORT[:3]]
    by_times = load_video(images, times=[10.0, 20.0, 30.0])
    assert by_times.fps == pytest.approx(0.1)
    assert by_times.metadata["frames_indices"] == [1, 2, 3]  # 10, 20, 30 s at a tenth of a frame a second
    assert [read_index(frame) for frame in by_times.frames] == [0, 1, 2]


@pytest.mark.parametrize(
    ("frames", "clock", "error"),
    [
        ([], {"fps": 1}, EmptyMedia),
        (np.zeros((0, 8, 8, 3), np.uint8), {"fps": 1}, EmptyMedia),
        (np.zeros((2, 0, 8, 3), np.uint8), {"fps": 1}, EmptyMedia),
        ([SHORT[0], SHORT[0][:50]], {"fps": 1}, PlaceholderMismatch),
        (SHORT, {"times": [0.0, 1.0]}, PlaceholderMismatch),
        (SHORT[:2], {"times": [1.0, 1.0]}, BadEncoding),
        (SHORT[:2], {"times": [0.0, float("nan")]}, BadEncoding),
        (SHORT[:2], {"times": "ab"}, BadEncoding),
        (SHORT, {"fps": 0}, InvalidArgument),
        (SHORT, {"fps": float("inf")}, InvalidArgument),
        (SHORT, {"fps": "fast"}, InvalidArgument),
        (SHORT.astype(float), {"fps": 1}, BadEncoding),
        (SHORT[..., 0], {"fps": 1}, BadEncoding),
        (np.uint8(3), {"fps": 1}, EmptyMedia),
        (["a.png", "b.png"], {"fps": 1}, BadEncoding),
        (SHORT, {"fps": 1, "indices": [24]}, LimitExceeded),
        (SHORT, {"fps": 1, "indices": [0.5]}, InvalidArgument),
        (SHORT, {"fps": 1, "indices": []}, EmptyMedia),
        (SHORT, {"fps": 1, "count": 0}, InvalidArgument),
        (SHORT, {"fps": 1, "count": 2, "rate": 1}, LimitExceeded),
    ],
)
def test_bad_frames_give_typed_errors(frames, clock, error):
    with pytest.raises(error):
        load_video(frames, **clock)


# ----------------------------------------------------------------------- broken files (bad_inputs.md, 85 to 96)


def test_not_a_video():
    rng = np.random.default_rng(0)
    for data in (rng.bytes(2000), b"<!DOCTYPE html><html>404</html>", b"#EXTM3U\nfile:///etc/passwd\n",
                 b"ffconcat version 1.0\nfile /etc/passwd\n"):  # fmt: skip
        with pytest.raises(UnsupportedFormat):
            load_video(data)
    with pytest.raises(EmptyMedia):
        load_video(b"")


def test_names_are_never_handed_to_ffmpeg(tmp_path):
    for name in ("concat:/etc/passwd|/etc/passwd", "subfile,,start,0,end,9,,:/etc/passwd", "lavfi:testsrc"):
        with pytest.raises((SourceNotAllowed, SourceNotFound)):
            load_video(name)
    path = tmp_path / "a.mp4"
    path.write_bytes(encode(SHORT))
    assert load_video(path, count=2).source == "a.mp4"
    url = "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
    assert len(load_video(url, count=2).frames) == 2
    with path.open("rb") as file:
        assert len(load_video(file, count=2).frames) == 2


def sound_only() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def test_no_video_stream():
    with pytest.raises((EmptyMedia, UnsupportedFormat)):
        load_video(sound_only())


@pytest.mark.parametrize("container", ["mp4", "matroska", "webm", "avi"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_truncated_files(container, share):
    codec = "libvpx-vp9" if container == "webm" else "libx264"
    data = encode(SHORT, container=container, codec=codec)
    with pytest.raises((CorruptMedia, EmptyMedia, UnsupportedFormat)):
        load_video(data[: int(len(data) * share)])


def test_truncated_faststart_is_truncated(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", container_options={"movflags": "+faststart"}) as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        for frame in SHORT:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with pytest.raises(TruncatedMedia):
        load_video(data[: len(data) * 2 // 3])


def test_few_missing_frames_are_noted_many_are_an_error():
    assert _check_missing(100, 100, "of {} declared frames") == ()
    assert _check_missing(95, 100, "of {} declared frames") == ("95 of 100 declared frames",)
    with pytest.raises(TruncatedMedia, match="only 80 of 100 declared frames"):
        _check_missing(80, 100, "of {} declared frames")


def test_damaged_packets_cost_their_frames_and_a_note_not_the_clock():
    """All-intra frames, so that damage stays where it is: what remains keeps its true index."""
    coding = {"codec": "ffv1", "pixels": "bgr0", "options": {"g": "1", "slicecrc": "1"}}
    data = bytearray(encode(index_frames(60), container="matroska", **coding))
    with av.open(io.BytesIO(bytes(data))) as container:
        packet = list(container.demux(video=0))[30]
        at = bytes(data).index(bytes(packet)[:64])
    data[at : at + 40] = b"\xff" * 40
    try:
        video = load_video(bytes(data))
    except CorruptMedia:
        return  # the container's own checks may come first
    alive = [(read_index(frame), index) for frame, index in zip(video.frames, video.indices, strict=True)]
    assert sum(drawn != index for drawn, index in alive) <= 1
    assert len(alive) >= 59


def test_budgets_are_checked_before_decoding(monkeypatch):
    import mmkit.video as module

    data = encode(SHORT)

    def no_decoding(*arguments):
        raise AssertionError("decoded")

    monkeypatch.setattr(module, "_decode", no_decoding)
    for limits in (
        replace(LIMITS, max_pixels=1000), replace(LIMITS, max_frames=10), replace(LIMITS, max_values=1000)
    ):  # fmt: skip
        with pytest.raises(DecodedTooLarge):
            load_video(data, limits=limits)
    with pytest.raises(MediaError):
        load_video(data, limits=replace(LIMITS, max_bytes=100))


def test_sample_table_that_promises_billions():
    data = bytearray(encode(SHORT))
    at = data.index(b"stsz") + 8
    data[at : at + 8] = struct.pack(">II", 1, 2**31 - 1)  # every sample one byte, two billion of them
    with pytest.raises(MediaError):
        load_video(bytes(data))


def test_text_tag_that_is_not_utf8_costs_no_video():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        output.metadata["title"] = "A" * 20
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(SHORT[0], format="rgb24")))
        output.mux(stream.encode(None))
    data = buffer.getvalue()
    video = load_video(data.replace(b"A" * 20, b"\xb5\xe7\xd3\xb0" * 5))
    assert np.array_equal(video.frames, load_video(data).frames)


@pytest.mark.parametrize("name", [b"\x2a\xd7\xb1", b"\xb0"], ids=["ticks", "width"])
def test_matroska_number_that_is_longer_than_a_number(name):
    """Found by mutation: a length field that grows gives a Python integer that no float can hold."""
    data = bytearray(encode(index_frames(40), container="matroska"))
    tracks = data.index(b"\x16\x54\xae\x6b")
    at = data.index(name, 0 if len(name) == 3 else data.index(b"\xe0", tracks)) + len(name)
    data[at : at + 2] = struct.pack(">H", 0x4000 | 3000)  # 3,000 bytes long
    with pytest.raises(CorruptMedia):
        load_video(bytes(data))


def test_one_frame():
    video = load_video(encode(SHORT[:1]))
    assert video.times.tolist() == [0.0]
    assert video.total_frames == 1
    assert video.duration == pytest.approx(1 / 25)


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_random_damage_gives_frames_or_a_typed_error(container):
    """Fifty flipped files each: a Video that is sound in itself, or a MediaError without an address."""
    rng = random.Random(container)
    whole = encode(SHORT[:12], container=container)
    messages: list[str] = []
    for _ in range(50):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 4, 30])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            video = load_video(bytes(data))
        except MediaError as broken:
            messages.append(str(broken))
            continue
        assert len(video.frames) == len(video.times) == len(video.indices) > 0
        assert np.all(np.diff(video.times) > 0)
        assert np.all(video.indices < video.total_frames)
        assert np.isfinite(video.fps)
        assert np.isfinite(video.duration)
    assert not any(" at 0x" in message for message in messages)


# ------------------------------------------------------------------------------------------------ the course


def test_course_videos_are_small_and_committed():
    from pathlib import Path

    folder = Path(__file__).parent.parent / "data"
    for name, data in course_videos().items():
        assert len(data) < 60_000
        stored = load_video(folder / name)
        fresh = load_video(data)
        assert np.array_equal(stored.indices, fresh.indices)
        assert np.allclose(stored.times, fresh.times)
        if name != "circle.mp4":
            assert [read_index(frame) for frame in stored.frames] == stored.indices.tolist()
    assert circle_frames(4).shape == (4, 112, 112, 3)
