"""Media: bytes from anything. Oracles: the files, the libraries that wrote them, a local server that attacks."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmkit.containers import MODALITY, inspect, png_missing, sniff
from mmkit.containers.sound import _ogg_crc
from mmkit.errors import (
    CorruptMedia,
    FetchFailed,
    FetchTimeout,
    MmkitError,
    SourceNotAllowed,
    SourceNotFound,
    SourceTooLarge,
    TruncatedMedia,
    UnsupportedFormat,
)
from mmkit.media import LIMITS, content_key, decode_data_url, is_url, read, read_file
from tests.guarded_fetch import guarded_fetch
from tests.media_factory import LOAD, animation, film, picture, sound, wav

FILES = {
    "png": picture(), "jpeg": picture("JPEG"), "webp": picture("WEBP"), "gif": picture("GIF"),
    "bmp": picture("BMP"),
    "tiff": picture("TIFF"), "wav": sound(), "flac": sound("FLAC"), "ogg": sound("OGG"), "mp3": sound("MP3"),
    "mp4": film("mp4"), "mov": film("mov"), "mkv": film("mkv"), "webm": film("webm", "libvpx"),
    "avi": film("avi"),
}  # fmt: skip
MORE_PICTURES = {  # kinds that take other ways through their decoders
    "progressive": picture("JPEG", progressive=True), "cmyk": picture("JPEG", "CMYK"), "grey": picture("JPEG", "L"),
    "lossless": picture("WEBP", lossless=True), "animated webp": animation("WEBP"),
    "palette bmp": picture("BMP", "P"),
    **{method: picture("TIFF", compression=f"tiff_{method}") for method in ("lzw", "adobe_deflate", "jpeg")},
    "packbits": picture("TIFF", compression="packbits"), "fax": picture("TIFF", "1", compression="group4"),
    "16 bits": picture("PNG", "I;16"), "animated png": animation("PNG"), "animated gif": animation("GIF"),
}  # fmt: skip
STATED_ENDS = sorted(set(FILES) - {"flac", "bmp", "tiff"})  # these state no length in bytes that could be trusted


# ------------------------------------------------------------------------------------------- what is it?


@pytest.mark.parametrize("form", FILES)
def test_formats_are_told_by_content(form):
    blob = read(FILES[form])
    assert (blob.format, blob.modality, blob.data, blob.notes) == (form, MODALITY[form], FILES[form], ())


@pytest.mark.parametrize("form", ["png", "gif"])
def test_picture_headers_equal_pillows(form):
    header, image = read(FILES[form]).header, Image.open(io.BytesIO(FILES[form]))
    assert (header.width, header.height, header.frames) == (*image.size, getattr(image, "n_frames", 1))


@pytest.mark.parametrize("form", ["GIF", "PNG"])
def test_animations_are_counted_as_pillow_counts_them(form):
    data = animation(form)
    assert read(data).header.frames == Image.open(io.BytesIO(data)).n_frames == 3


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2, 7])
def test_wav_headers_equal_soundfiles(subtype, channels):
    import soundfile

    data = sound("WAV", subtype, channels, 999)
    header, info = read(data).header, soundfile.info(io.BytesIO(data))
    assert (header.sample_rate, header.channels, header.samples) == (info.samplerate, info.channels, info.frames)


@pytest.mark.parametrize(("form", "subtype"), [("FLAC", None), ("OGG", "VORBIS"), ("MP3", None)])
def test_sound_headers_equal_soundfiles(form, subtype):
    import soundfile

    data = sound(form, subtype)
    header, (wave, rate) = read(data).header, soundfile.read(io.BytesIO(data))
    assert (header.sample_rate, header.samples) == (rate, len(wave))


@pytest.mark.parametrize("form", ["mp4", "mov", "mkv", "webm", "avi"])
def test_video_headers_equal_ffmpegs(form):
    import av

    header = read(FILES[form]).header
    with av.open(io.BytesIO(FILES[form])) as container:
        stream = container.streams.video[0]
        assert (header.width, header.height) == (stream.width, stream.height)
        assert header.frames in (0, 20)
        assert header.duration == pytest.approx(2.0, abs=0.11)


# ------------------------------------------------------------------------------------------- where it ends


@pytest.mark.parametrize("form", [*FILES, *MORE_PICTURES])
def test_every_cut_is_noticed(form):
    """Cut anywhere: an error, never a shorter value; each of 40 places, the last bytes among them."""
    data = (FILES | MORE_PICTURES)[form]
    load = LOAD[read(data).modality]
    for length in {len(data) * i // 37 for i in range(37)} | {len(data) - 1, len(data) - 2, len(data) - 3}:
        with pytest.raises(MmkitError):
            load(data[:length])


@pytest.mark.parametrize("form", STATED_ENDS)
def test_bytes_behind_the_end_are_noted_or_refused(form):
    blob = read(FILES[form] + b"garbage")
    assert any("7 bytes behind the end" in note for note in blob.notes)
    with pytest.raises(CorruptMedia, match="7 bytes"):
        read(FILES[form] + b"garbage", limits=replace(LIMITS, trailing_bytes=False))


@given(st.integers(0, len(FILES["png"]) - 1), st.integers(1, 255))
def test_every_changed_byte_of_a_png_is_noticed(place, change):
    data = bytearray(FILES["png"])
    data[place] ^= change
    with pytest.raises(MmkitError):
        read(bytes(data))


@given(st.integers(0, len(FILES["ogg"]) - 1), st.integers(1, 255))
def test_every_changed_byte_of_an_ogg_is_noticed(place, change):
    data = bytearray(FILES["ogg"])
    data[place] ^= change
    with pytest.raises(MmkitError):
        read(bytes(data))


@given(st.binary(max_size=300))
def test_ogg_checksum_equals_its_definition(data):
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    assert _ogg_crc(data) == crc


@given(st.binary(max_size=400), st.sampled_from([d[:24] for d in FILES.values()]))
def test_noise_behind_any_beginning_gives_a_value_or_our_error(noise, start):
    with contextlib.suppress(MmkitError):  # and nothing else
        read(start + noise)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_a_whole_png_misses_nothing(mode):
    assert png_missing(picture("PNG", mode)) == 0


def test_interlaced_png_is_counted_in_seven_passes():
    """Width 5, height 3, one byte a pixel; the passes by hand, after figure 8.2 of the PNG specification."""
    import struct

    from tests.media_factory import END, png_chunks

    passes = [(1, 1), (1, 1), (0, 0), (1, 1), (3, 1), (2, 2), (5, 1)]  # (columns, rows)
    body = b"".join((b"\0" + bytes(columns)) * rows for columns, rows in passes if columns)
    header = (b"IHDR", struct.pack(">IIBBBBB", 5, 3, 8, 0, 0, 0, 1))
    assert png_missing(png_chunks(header, (b"IDAT", zlib.compress(body)), END)) == 0
    assert png_missing(png_chunks(header, (b"IDAT", zlib.compress(body[:-2])), END)) == 2


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_streamed_wav_is_read_to_the_end_of_the_file(size):
    blob = read(wav(b"\x01\x00" * 500 + b"\x01", data=size, riff=size))
    assert blob.header.samples == len(LOAD["audio"](blob.data).wave) == 500
    assert any("1 bytes of an unfinished sample" in note for note in blob.notes)


# ------------------------------------------------------------------------------------------------ sources


def test_all_sources_give_the_same_bytes(tmp_path):
    import base64

    path = tmp_path / "a.png"
    path.write_bytes(picture())
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    with path.open("rb") as file:
        file.seek(5)
        sources = [
            path,
            str(path),
            picture(),
            bytearray(picture()),
            memoryview(picture()),
            file,
            io.BytesIO(picture()),
            url,
        ]
        assert {read(source).data for source in sources} == {picture()}
        assert file.tell() == 5, "a file object stays where it was"
    assert read("a.png", root=tmp_path).data == picture()
    assert read("https://x.example/a.png", fetch=lambda url: picture()).data == picture()


def test_labels_hold_no_folder_and_no_payload(tmp_path):
    (tmp_path / "a.png").write_bytes(b"secret")
    for source in (
        tmp_path / "a.png",
        b"secret",
        "data:image/png;base64,c2VjcmV0",
        "https://h/p/a.png?token=secret",
    ):
        with pytest.raises(MmkitError) as caught:
            read(source)
        assert str(tmp_path) not in str(caught.value)
        assert "secret" not in str(caught.value)
    assert "PNG" not in repr(read(picture()))


@given(st.binary(max_size=200))
def test_data_urls_round_trip(data):
    import base64

    url = "data:;base64," + base64.b64encode(data).decode()
    if data:
        assert decode_data_url(url) == (data, "")


def test_a_large_data_url_is_refused_before_it_is_decoded(monkeypatch):
    import mmkit.media as media

    monkeypatch.setattr(media.base64, "b64decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(SourceTooLarge):
        read("data:image/png;base64," + "A" * 4000, limits=replace(LIMITS, max_bytes=1000))


@pytest.mark.parametrize("text", ["a.png", "./a:b.png", "C:/a.png", "/x/y", "", "1:2"])
def test_paths_are_not_urls(text):
    assert not is_url(text)


def test_a_renamed_folder_inside_the_root_cannot_lead_outside(tmp_path):
    """A link that appears between the check and the opening is not followed: every step refuses links."""
    import mmkit.media as media

    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    for folder in (inside / "sub", outside):
        (folder / "a.png").write_bytes(picture())
    real = os.path.realpath

    def swap(path, **options):
        found = real(path, **options)
        if str(path).endswith("a.png"):
            (inside / "sub").rename(inside / "old")
            (inside / "sub").symlink_to(outside)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media.os.path, "realpath", swap)
        with pytest.raises((SourceNotAllowed, SourceNotFound, MmkitError)):
            read_file("sub/a.png", root=inside)


def test_keys_tell_shape_and_type_apart():
    flat = np.zeros(24, np.uint8)
    values = [flat.reshape(2, 4, 3), flat.reshape(4, 2, 3), flat.view(np.int8).reshape(2, 4, 3), flat]
    keys = {content_key("image", value) for value in values} | {content_key("audio", flat, r) for r in (1, 2)}
    assert len(keys) == 6


# ------------------------------------------------------------------------------------------------- fetch


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(TimeoutError(), FetchTimeout), (ValueError("x"), FetchFailed), (SourceNotAllowed("x"), SourceNotAllowed)],
)
def test_what_a_fetch_raises_becomes_ours(raised, expected):
    def fetch(url):
        raise raised

    with pytest.raises(expected):
        read("https://x.example/a.png", fetch=fetch)


def test_what_a_fetch_returns_is_checked():
    for value, expected in (("text", FetchFailed), (None, FetchFailed), (b"<html>", UnsupportedFormat)):
        with pytest.raises(expected):
            read("https://x.example/a", fetch=lambda url, v=value: v)
    with pytest.raises(SourceNotAllowed):
        read("javascript:alert(1)", fetch=lambda url: picture())


@pytest.fixture(scope="module")
def server():
    """A server that attacks whoever asks it."""

    class Attack(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        hits: ClassVar[list[str]] = []

        def log_message(self, *_):
            pass

        def do_GET(self):
            type(self).hits.append(self.path)
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "/good.png")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            if self.path.startswith("/status"):
                self.send_response(int(self.path[-3:]))
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(200)
            body = picture()
            if self.path == "/short":  # a lying length, larger than the body
                self.send_header("Content-Length", str(len(body) + 10))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True
                return self.connection.shutdown(socket.SHUT_RDWR)
            if self.path == "/endless":
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(bytes(1 << 16))
                except OSError:
                    return None
            if self.path == "/slow":
                self.end_headers()
                try:
                    for _ in range(100):
                        self.wfile.write(b".")
                        self.server.stop.wait(0.1)
                except OSError:
                    pass
                return None
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Attack)
    httpd.stop = threading.Event()
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd.server_address[1], Attack.hits
    httpd.stop.set()
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def fetch(server):
    """The shown fetch, let through to the local server: its host is on the list, its address counts as public."""
    return partial(guarded_fetch, hosts={"localhost"}, schemes=("http",), allowed=lambda a: True, seconds=2.0)


def test_the_shown_fetch_works(server, fetch):
    assert read(f"http://localhost:{server[0]}/good.png", fetch=fetch).data == picture()


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/redirect", FetchFailed), ("/status404", FetchFailed), ("/status500", FetchFailed), ("/short", FetchFailed),
     ("/endless", SourceTooLarge), ("/slow", FetchTimeout)],
)  # fmt: skip
def test_the_shown_fetch_survives_a_bad_server(server, fetch, path, expected):
    with pytest.raises(expected):
        read(f"http://localhost:{server[0]}{path}", fetch=partial(fetch, max_bytes=1 << 20))


def test_only_passing_trouble_is_tried_again(server, fetch):
    for path, tries in (("/status404?404", 1), ("/status503?503", 2)):
        server[1].clear()
        with pytest.raises(FetchFailed):
            fetch(f"http://localhost:{server[0]}{path}")
        assert len(server[1]) == tries


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://127.0.0.1/", "http://[::1]/", "http://0/", "http://2130706433/", "http://0x7f.1/",
     "http://10.0.0.1/", "https://good.example\\@evil.example/", "https://a@good.example/", "https://good.example./",
     "https://gооd.example/", "ftp://good.example/", "https://evil.example/", "https:///"],
)  # fmt: skip
def test_the_shown_fetch_asks_nobody_else(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(SourceNotAllowed):
        read(url, fetch=partial(guarded_fetch, hosts={"good.example"}, schemes=("http", "https")))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.9", "::1", "fe80::1"])
def test_a_good_name_with_a_private_address_is_refused(address, monkeypatch):
    """A name server may answer anything: every address is checked, and the checked one is connected to."""
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 443)) for a in ("93.184.216.34", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(SourceNotAllowed, match="not public"):
        read("https://good.example/a.png", fetch=partial(guarded_fetch, hosts={"good.example"}))


def test_the_name_is_looked_up_once(server, fetch, monkeypatch):
    real, asked = socket.getaddrinfo, []

    def count(host, *rest, **more):
        asked.append(host)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    fetch(f"http://localhost:{server[0]}/good.png")
    assert asked.count("localhost") == 1


# ------------------------------------------------------------------------------------------------ imports


def test_importing_costs_little_and_loads_no_engine():
    """`import mmkit`: no vllm, torch or HTTP library. mmkit.media: nothing but the standard library."""
    code = (
        "import sys, mmkit; bad = {'vllm', 'torch', 'httpx', 'requests', 'aiohttp', 'numpy'} & set(sys.modules); "
        "assert not bad, bad; import mmkit.media; "
        "bad = {'vllm', 'torch', 'httpx', 'requests', 'numpy'} & set(sys.modules); assert not bad, bad"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


ELSEWHERE = """
import os
for name in ("O_CLOEXEC", "O_NONBLOCK", "O_DIRECTORY", "O_NOFOLLOW"):
    delattr(os, name)
os.supports_dir_fd.discard(os.open)
from mmkit.media import read
data = open("a.png", "rb").read()
assert read("a.png").data == read("a.png", root=".").data == data
for wrong in ("../a.png", "b.png", "/etc/passwd"):
    try:
        read(wrong, root=".")
    except Exception as error:
        print(type(error).__name__)
"""


def test_systems_without_posix_flags_read_the_same(tmp_path):
    """Windows has neither these flags nor `dir_fd`; a root holds there, too."""
    (tmp_path / "a.png").write_bytes(picture())
    run = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout.split() == ["SourceNotAllowed", "SourceNotFound", "SourceNotAllowed"], run.stderr


def test_sniff_and_inspect_are_what_read_says():
    for data in FILES.values():
        assert inspect(data, sniff(data)) == read(data).header


def test_a_short_fuzz_and_what_was_found_before():
    from tests.fuzz import PAST, examine

    numbers = [*PAST, *((number, 2) for number in range(440))]
    assert [finding for number, seed in numbers if (finding := examine(number, seed)[1])] == []


def test_truncation_is_a_kind_of_corruption():
    assert issubclass(TruncatedMedia, CorruptMedia)
