"""Files that strangers made: kinds that public test corpora hold. Oracles: Pillow, libsndfile, FFmpeg in sequence.

Each kind once crashed, was refused though good, or passed though damaged. What loads equals the reference decoder;
what does not, says why.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from mmkit.audio import decode, load_audio, mel_filter_bank
from mmkit.errors import CorruptMedia, MmkitError, UnsupportedFormat
from mmkit.image import load_image
from mmkit.media import read
from mmkit.video import load_video
from tests.media_factory import (
    END,
    bmp,
    film,
    id3,
    movie,
    picture,
    pixels,
    png_chunks,
    png_header,
    sound,
    tiff,
    tone,
    track,
    wav,
)

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def by_pyav(data: bytes) -> np.ndarray:
    """(T, C) float32: all samples of the first track, in sequence; packed, because PyAV miscounts eight planes."""
    import av

    with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
        packed, blocks = av.AudioResampler(format="flt"), []
        for frame in container.decode(container.streams.audio[0]):
            width = frame.layout.nb_channels
            blocks += [block.to_ndarray().reshape(-1, width) for block in packed.resample(frame)]
    return np.concatenate(blocks)


def channels_of(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    blob = read(data, modality="audio")
    channels, _, notes = decode(blob)
    return channels, (*blob.notes, *notes)


def frames_by_pyav(data: bytes) -> np.ndarray:
    import av

    with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


# ---------------------------------------------------------------------------------------------------- sound

CODED = [
    *(("m4a", "aac"), ("mov", "aac"), ("mkv", "libopus"), ("webm", "libopus"), ("mkv", "flac"), ("flac", "flac")),
    *(("ogg", "flac"), ("m4a", "alac"), ("mkv", "pcm_s16le"), ("avi", "pcm_s16le"), ("mov", "pcm_s24le")),
]
NO_ENCODER = {"libopus": {3}, "alac": {3, 4, 7, 8}}


@pytest.mark.parametrize(
    ("container", "codec", "number"),
    [(*kind, number) for kind in CODED for number in LAYOUTS if number not in NO_ENCODER.get(kind[1], ())],
)
def test_any_number_of_channels_equals_ffmpegs(container, codec, number):
    """1 to 8 channels; with 8, PyAV's own planar arrays end the process. Behind the declared end lies padding."""
    data = track(container, codec, LAYOUTS[number])
    ours, theirs = channels_of(data)[0], by_pyav(data)
    assert ours.shape[1] == number
    assert len(theirs) - 1024 <= len(ours) <= len(theirs)
    assert len(ours) >= 24_000
    assert np.array_equal(ours, theirs[: len(ours)])


@pytest.mark.parametrize("container", ["flac", "ogg", "mkv"])
@pytest.mark.parametrize(("format", "bits"), [("s16", 16), ("s32", 32)])
def test_flac_of_any_depth_in_any_container(container, format, bits):
    data = track(container, "flac", "stereo", format=format)
    assert np.array_equal(channels_of(data)[0], by_pyav(data))
    if container != "mkv":
        assert read(data).header.bits == bits


def rebuilt_flac(data: bytes, *, samples: int | None = None, bits: int | None = None) -> bytes:
    """A FLAC whose STREAMINFO says otherwise."""
    out = bytearray(data)
    fields = int.from_bytes(out[18:26], "big")
    if samples is not None:
        fields = fields >> 36 << 36 | samples
    if bits is not None:
        fields = fields & ~(31 << 36) | bits - 1 << 36
    out[18:26] = fields.to_bytes(8, "big")
    return bytes(out)


def test_streamed_flac_is_read_whole():
    data = rebuilt_flac(sound("FLAC"), samples=0)
    channels, notes = channels_of(data)
    assert np.array_equal(channels, channels_of(sound("FLAC"))[0])
    assert any("does not say how long" in note for note in notes)


def test_streamed_flac_that_is_cut_has_another_md5():
    data = rebuilt_flac(sound("FLAC"), samples=0)
    starts = flac_frames(data)
    with pytest.raises(CorruptMedia, match="MD5"):
        load_audio(data[: starts[-1]])


def flac_frames(data: bytes) -> list[int]:
    """Where the frames of a FLAC begin (of 4096 samples, which the byte behind the sync code says)."""
    found, start = [], data.find(b"\xff\xf8\xc5")
    while start >= 0:
        found.append(start)
        start = data.find(b"\xff\xf8\xc5", start + 1)
    return found


def test_flac_behind_a_tag():
    channels, notes = channels_of(id3(70) + sound("FLAC"))
    assert np.array_equal(channels, channels_of(sound("FLAC"))[0])
    assert any("tags before the FLAC" in note for note in notes)


def test_frames_that_a_flac_has_lost_are_not_silence():
    """libFLAC puts zeros where frames are missing, and says nothing; the MD5 of the samples does."""
    data = sound("FLAC", None, 1, 60_000)
    starts = flac_frames(data)
    assert len(starts) > 6
    with pytest.raises(CorruptMedia, match="MD5"):
        load_audio(data[: starts[2]] + data[starts[5] :])
    with pytest.raises(CorruptMedia, match="MD5"):  # and what the header hides
        load_audio(rebuilt_flac(data, samples=20_000))
    silent = np.concatenate([tone(20_000), np.zeros((20_000, 1), np.float32)])  # true silence has the right MD5
    import soundfile

    for depth in ("PCM_S8", "PCM_16", "PCM_24"):
        packed = io.BytesIO()
        soundfile.write(packed, silent, 16_000, format="FLAC", subtype=depth)
        assert len(load_audio(packed.getvalue()).wave) == 40_000


@pytest.mark.parametrize(
    ("before", "note"),
    [(id3(100), ""), (id3(100) + bytes(3000), ""), (bytes(500), ""), (id3(100) + id3(50), ""),
     (np.random.default_rng(3).bytes(777), "777 bytes before"), (id3(9) + b"odd", "3 bytes before"),
     (id3(0, says=2000), "inside the ID3 tag"), (id3(0, says=10_000_000), "inside the ID3 tag")],
    ids=["tag", "tag-zeros", "zeros", "two-tags", "junk", "tag-junk", "lying-tag", "tag-beyond-the-end"],
)  # fmt: skip
def test_what_stands_before_an_mp3(before, note):
    channels, notes = channels_of(before + sound("MP3"))
    assert np.array_equal(channels, channels_of(sound("MP3"))[0])
    assert any(note in said for said in notes) if note else not notes


def test_joined_mp3s_are_refused_in_words():
    with pytest.raises(UnsupportedFormat, match="joined"):
        load_audio(sound("MP3") + id3(40) + sound("MP3"))


@pytest.mark.parametrize(
    ("container", "codec"), [("mkv", "libopus"), ("mp4", "aac"), ("mov", "aac"), ("m4a", "aac")]
)
@pytest.mark.parametrize(("option", "note"), [({"start": 2.0}, "the sound starts"), ({"gap": 1.0}, "1 gaps")])
def test_sound_that_starts_late_or_has_gaps_is_read_and_says_so(container, codec, option, note):
    data = track(container, codec, samples=96_000, **option)
    channels, notes = channels_of(data)
    assert np.array_equal(channels, by_pyav(data)[: len(channels)])
    assert len(channels) >= 96_000
    assert any(note in said for said in notes)


def integers(bits: int, size: int) -> tuple[bytes, np.ndarray]:
    """Samples of so many bits in so many bytes each, the upper ones; and their values by full scale."""
    rng = np.random.default_rng(bits)
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 300, dtype=np.int64) << (8 * size - bits)
    if size == 1:
        return (values + 128).astype(np.uint8).tobytes(), values / 128
    raw = values.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :size]
    return raw.tobytes(), values / 2.0 ** (8 * size - 1)


@pytest.mark.parametrize(
    ("bits", "size"), [(5, 1), (8, 1), (12, 2), (16, 2), (20, 3), (24, 3), (24, 4), (32, 4), (64, 8)]
)
def test_wav_of_any_depth(bits, size):
    """Oracle: the definition, and libsndfile and FFmpeg where they read it."""
    body, expected = integers(bits, size)
    data = bytearray(wav(body, bits=8 * size))
    data[34:36] = struct.pack("<H", bits)
    channels, notes = channels_of(bytes(data))
    assert np.array_equal(channels[:, 0], expected.astype(np.float32))
    assert any("stored in" in note for note in notes) == (bits < 8 * size)
    if bits in (8, 16, 24, 32) and bits == 8 * size:
        import soundfile

        assert np.array_equal(channels, soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0])
    if bits == 64:
        assert np.array_equal(channels, by_pyav(bytes(data)))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("number", [1, 2, 7, 12])
def test_wav_equals_libsndfiles(subtype, number):
    import soundfile

    for form in ("WAV", "WAVEX"):
        data = sound(form, subtype, number, 999)
        theirs = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
        assert np.array_equal(channels_of(data)[0], theirs)


def test_wav_with_half_a_sample_at_its_end():
    channels, notes = channels_of(wav(bytes(range(1, 202))))
    assert len(channels) == 100
    assert any("1 bytes of an unfinished sample" in note for note in notes)


@pytest.mark.parametrize("rate", [11_025, 22_050, 16_000])
def test_mel_filter_bank_has_its_bins_where_the_fourier_transform_has_them(rate):
    """At k rate / n_fft, as librosa does, also where half the rate is no whole number; triangles by hand."""
    n_fft, n_mels = 512, 40
    bins = np.fft.rfftfreq(n_fft, 1 / rate)

    def hertz(mel):  # Slaney: 200 / 3 Hz a mel up to 15, then a factor of 6.4 every 27
        return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27))

    top = rate / 2
    highest = top * 3 / 200 if top < 1000 else 15 + 27 * np.log(top / 1000) / np.log(6.4)
    edges = hertz(np.linspace(0, highest, n_mels + 2))
    expected = np.stack([np.interp(bins, edges[m : m + 3], [0, 2 / (edges[m + 2] - edges[m]), 0], 0, 0)
                         for m in range(n_mels)], axis=1)  # fmt: skip
    ours = mel_filter_bank(n_fft, n_mels, rate, scale="slaney", norm="slaney").numpy()
    assert np.abs(ours - expected).max() < 1e-6


# ---------------------------------------------------------------------------------- tracks, encryption, codecs


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new)


def test_a_codec_without_a_decoder_is_unsupported():
    with pytest.raises(UnsupportedFormat, match="no decoder"):
        load_audio(patched(patched(track("m4a", "aac"), b"mp4a", b"ac-4"), b"esds", b"free"))
    with pytest.raises(UnsupportedFormat, match="no decoder"):
        load_video(patched(film("mkv"), b"V_MPEG4/ISO/ASP", b"V_NOBODY/KNO/WSI"[:15]))


@pytest.mark.parametrize(
    ("data", "load"),
    [
        (lambda: patched(film("mp4"), b"mp4v", b"encv"), load_video),
        (lambda: patched(movie(), b"avc1\0", b"encv\0"), load_video),
        (lambda: patched(track("m4a", "aac"), b"mp4a", b"enca"), load_audio),
        (lambda: patched(track("m4a", "aac"), b"mp4a", b"drms"), load_audio),
    ],
)
def test_encrypted_media_are_refused(data, load):
    with pytest.raises(UnsupportedFormat, match="encrypted"):
        load(data())


def test_encrypted_matroska_is_refused():
    from mmkit.containers.video import _holds_encryption

    encryption = bytes.fromhex("6240 85 5035 82 4000")  # ContentEncoding { ContentEncryption { ... } }
    compression = bytes.fromhex("6240 85 5034 82 4000")
    assert _holds_encryption(encryption, 0, len(encryption))
    assert not _holds_encryption(compression, 0, len(compression))


def test_unknown_duration_of_a_fragmented_mp4():
    data = bytearray(track("mp4", "aac", options=(("movflags", "frag_keyframe+empty_moov"),)))
    place = data.index(b"mdhd") + 4 + 4 + 12
    data[place : place + 4] = b"\xff\xff\xff\xff"
    assert len(load_audio(bytes(data)).wave) >= 24_000


def test_of_several_video_tracks_the_best_is_taken_with_a_note():
    """FFmpeg's own choice: the track marked as default, though another comes first."""
    import av

    packed, tracks = io.BytesIO(), {}
    with av.open(packed, "w", format="matroska") as out:
        for name, size in (("first", 32), ("default", 64)):
            stream = out.add_stream("libx264", rate=10)
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition.default if name == "default" else av.stream.Disposition(0)
            tracks[name] = stream
        for i in range(10):
            for stream in tracks.values():
                shade = np.full((stream.height, stream.width, 3), 20 * i, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        for stream in tracks.values():
            out.mux(stream.encode(None))
    video = load_video(packed.getvalue())
    with av.open(io.BytesIO(packed.getvalue())) as container:
        assert container.streams.best("video").index == 1
    assert video.frames.shape == (10, 64, 64, 3)
    assert any("video track 2 of 2" in note for note in video.notes)


# ---------------------------------------------------------------------------------------------------- video

KINDS = [("mp4", "libx264", "yuv420p"), ("mp4", "libx264", "yuv444p"), ("mp4", "libx264", "yuv420p10le"),
         ("mp4", "libx265", "yuv420p"), ("mkv", "libvpx-vp9", "yuv420p"), ("webm", "libvpx", "yuv420p"),
         ("mp4", "libsvtav1", "yuv420p"), ("mkv", "ffv1", "yuv420p"), ("mov", "mjpeg", "yuvj420p"),
         ("mov", "prores_ks", "yuv422p10le"), ("avi", "mpeg4", "yuv420p"), ("mkv", "ffv1", "gray"),
         ("avi", "rawvideo", "bgr24")]  # fmt: skip


@pytest.mark.parametrize(("container", "codec", "pixel"), KINDS)
def test_frames_and_times_equal_ffmpegs(container, codec, pixel):
    data = movie(container, codec, 40, pixel)
    video = load_video(data)
    assert np.array_equal(video.frames, frames_by_pyav(data))
    assert np.allclose(
        video.times - video.times[0], np.arange(40) / 25, atol=0.0011
    )  # Matroska counts milliseconds
    some = load_video(data, count=5)
    assert np.array_equal(some.frames, video.frames[some.indices])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_damaged_frames_are_left_out_or_refused_never_passed(codec):
    """Bytes changed in the middle of the data: of the frames behind, none that FFmpeg conceals is given out."""
    data = movie("mp4", codec, 40, g="20")
    clean, start, stop = frames_by_pyav(data), data.index(b"mdat") + 300, data.index(b"moov") - 100
    refused = noted = silent = 0
    for seed in range(30):
        rng, broken = random.Random(seed), bytearray(data)
        for _ in range(5):
            place = rng.randrange(start, stop)
            broken[place : place + 8] = rng.randbytes(8)
        try:
            video = load_video(bytes(broken))
        except MmkitError as error:
            assert isinstance(error, CorruptMedia)  # noqa: PT017  (either outcome is right)
            refused += 1
            continue
        noted += any("without damage" in note for note in video.notes)
        silent += not video.notes and not np.array_equal(video.frames, clean)
    assert refused >= 20
    assert silent <= 3, "damage that decodes without an error cannot be told"


def test_one_damaged_frame_of_many_costs_itself_and_those_built_on_it():
    data = movie("mp4", "libx264", 120, g="6", bf="0")
    import av

    with av.open(io.BytesIO(data)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    place, size = packets[63]
    broken = (
        data[: place + size // 3] + random.Random(0).randbytes(size // 2) + data[place + size // 3 + size // 2 :]
    )
    video, clean = load_video(broken), frames_by_pyav(data)
    assert 0 < 120 - len(video.frames) <= 3
    assert np.array_equal(video.frames, clean[video.indices])
    assert any("of 120 frames asked for can be decoded without damage" in note for note in video.notes)


def mjpeg(orientation: int) -> bytes:
    """Motion JPEG whose pictures bear EXIF, which FFmpeg hands on as side data that PyAV does not know."""
    import av

    exif, packed = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    with av.open(packed, "w", format="matroska") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(5):
            shot = io.BytesIO()
            Image.fromarray(pixels(48, 64)).save(shot, "JPEG", exif=exif.tobytes(), quality=90)
            packet = av.Packet(shot.getvalue())
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, i, i, True
            packet.time_base = Fraction(1, 10)
            out.mux(packet)
    return packed.getvalue()


@pytest.mark.parametrize(("orientation", "shape"), [(1, (48, 64)), (3, (48, 64)), (6, (64, 48)), (8, (64, 48))])
def test_side_data_that_pyav_does_not_know(orientation, shape):
    from mmkit.image import turn_upright

    frame = load_video(mjpeg(orientation), indices=[0]).frames[0]
    assert frame.shape[:2] == shape
    upright = turn_upright(pixels(48, 64), orientation)[0].astype(int)
    assert np.abs(frame - upright).mean() < 20  # a wrong turn of this ramp is 70 or more away


def with_empty_chunks(data: bytes, behind: set[int]) -> bytes:
    """An AVI as recorders write it that drop frames: an empty chunk behind each of these frames."""
    movi = data.index(b"movi")
    end = movi + struct.unpack_from("<I", data, movi - 4)[0]
    body, index, position, count = b"movi", b"", movi + 4, 0
    while position < end:
        kind, length = struct.unpack_from("<4sI", data, position)
        chunks = [data[position + 8 : position + 8 + length]] + ([b""] if count in behind else [])
        for chunk in chunks:
            index += struct.pack("<4sIII", kind, 16 * (count == 0), len(body), len(chunk))
            body += struct.pack("<4sI", kind, len(chunk)) + chunk + bytes(len(chunk) & 1)
        position, count = position + 8 + length + (length & 1), count + 1
    head = bytearray(data[: movi - 8])
    for place in (head.index(b"avih") + 24, head.index(b"strh") + 40):
        head[place : place + 4] = struct.pack("<I", count + len(behind))
    out = (
        bytes(head)
        + b"LIST"
        + struct.pack("<I", len(body))
        + body
        + b"idx1"
        + struct.pack("<I", len(index))
        + index
    )
    return out[:4] + struct.pack("<I", len(out) - 8) + out[8:]


def test_frames_that_an_avi_left_empty_are_no_loss():
    data = with_empty_chunks(film("avi"), {3, 4, 9, 10, 11, 15})
    video = load_video(data)
    assert len(video.frames) == 20
    assert np.array_equal(video.frames, frames_by_pyav(film("avi")))
    assert any("6 frames of this AVI are empty" in note for note in video.notes)
    assert video.times[4] == pytest.approx(0.5)


# --------------------------------------------------------------------------------------------------- images


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_pictures_equal_pillows(form, mode):
    """Every mode that a format can hold; transparency on white, 16 bits by their upper eight, as elsewhere."""
    try:
        data = picture(form, mode)
    except (OSError, KeyError, ValueError):
        pytest.skip("Pillow does not write this")
    image = Image.open(io.BytesIO(data))
    if image.mode == "I;16":
        expected = np.repeat(((np.asarray(image).astype(int) + 128) // 257)[..., None], 3, axis=2)
    elif image.mode in ("RGBA", "LA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        expected = np.asarray(white)
    else:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(load_image(data).pixels, expected)


def test_jpeg_with_junk_between_segments_is_read_with_a_note():
    data = picture("JPEG")
    loaded = load_image(data[:20] + b"\x00\x11\x22" * 5 + data[20:])
    assert np.array_equal(loaded.pixels, load_image(data).pixels)
    assert any("15 extraneous bytes" in note for note in loaded.notes)


def test_where_a_jpeg_ends_is_told_past_its_thumbnail():
    """The EXIF thumbnail has an end marker of its own."""
    thumbnail = picture("JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    data = picture("JPEG")
    data = data[:2] + segment + data[2:]
    assert read(data).header.end == len(data)
    assert any("5 bytes behind the end" in note for note in read(data + b"extra").notes)


@pytest.mark.parametrize("noise", [False, True])
def test_png_with_a_wrong_inner_checksum_is_judged_as_pillow_judges_it(noise):
    """Pillow notices zlib's checksum where all of it comes in one piece; either way, nothing foreign escapes."""
    body = (
        np.random.default_rng(0).integers(0, 256, (400, 1800), np.uint8)
        if noise
        else np.zeros((400, 1800), np.uint8)
    )
    body[-1] = 0  # a black end, so that what is missing is counted
    raw = zlib.compress(b"".join(b"\0" + row.tobytes() for row in body))
    data = png_chunks(png_header(600, 400), (b"IDAT", raw[:-4] + b"adlr"), END)
    try:
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except OSError:
        with pytest.raises(CorruptMedia):
            load_image(data)
    else:
        assert np.array_equal(load_image(data).pixels, expected)


def test_tiff_with_premultiplied_grey():
    loaded = load_image(tiff(bytes(range(128)), bits=(8, 8), photometric=1, alpha=1))
    assert loaded.pixels.shape == (8, 8, 3)
    assert any("alpha" in note for note in loaded.notes)


def test_tiff_of_twelve_bits_is_scaled_by_its_own_full_scale():
    loaded = load_image(tiff(b"\xff" * 96, bits=(12,), photometric=1))
    assert loaded.pixels.min() == 255
    assert any("12 bits" in note for note in loaded.notes)


UNREADABLE = {
    "2 bits a channel": lambda: tiff(bits=(2, 2, 2)),
    "24-bit grey": lambda: tiff(bits=(24,), photometric=1),
    "half floats": lambda: tiff(bytes(128), bits=(16,), photometric=1, number=3),
    "complex": lambda: tiff(bytes(512), bits=(64,), photometric=1, number=6),
    "colour filter array": lambda: tiff(bits=(8,), photometric=32803),
    "JPEG 2000 inside": lambda: tiff(compression=34712),
    "WebP inside": lambda: tiff(compression=50001),
    "no known compression": lambda: tiff(compression=9999),
    "BMP of 4-bit fields": lambda: bmp(16, 3, (0xF00, 0xF0, 0xF)),
    "BMP of 10-bit fields": lambda: bmp(32, 3, (0x3FF00000, 0xFFC00, 0x3FF)),
    "BMP with a JPEG": lambda: bmp(0, 4),
    "12-bit JPEG": lambda: picture("JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"),
    "lossless JPEG": lambda: picture("JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc3\x00\x11\x08"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_kinds_that_pillow_lacks_are_unsupported_not_corrupt(kind):
    with pytest.raises(UnsupportedFormat):
        load_image(UNREADABLE[kind]())
