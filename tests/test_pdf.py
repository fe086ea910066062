"""Pages of a PDF: the picture that was put in comes back, and every bad file, page or number has its own error.

Oracle: Pillow, which writes PDFs that hold one picture a page at a known resolution.
"""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmkit import load_pdf_page
from mmkit.errors import (
    BackendMissing,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    InvalidArgument,
    SourceNotAllowed,
    SourceNotFound,
    TruncatedMedia,
    UnsupportedFormat,
)
from mmkit.media import Limits

pytest.importorskip("pypdfium2")


def two_halves(mode: str = "RGB") -> Image.Image:
    """200 x 100, dark on the left and light on the right."""
    picture = Image.new("RGB", (200, 100), (32, 64, 96))
    ImageDraw.Draw(picture).rectangle((100, 0, 200, 100), fill=(224, 208, 240))
    return picture.convert(mode)


def as_pdf(*pages: Image.Image, resolution: float = 100.0) -> bytes:
    written = io.BytesIO()
    pages[0].save(written, "PDF", resolution=resolution, save_all=True, append_images=pages[1:])
    return written.getvalue()


PDF = as_pdf(two_halves(), Image.new("L", (50, 80), 128))


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_page_at_its_own_resolution_is_the_picture_that_was_put_in(mode):
    page = load_pdf_page(as_pdf(two_halves(mode)), dpi=100)
    expected = np.asarray(two_halves(mode).convert("RGB")).astype(int)
    assert page.pixels.shape == (100, 200, 3)
    assert page.pixels.flags["C_CONTIGUOUS"]
    assert np.abs(page.pixels[10:90, 10:80] - expected[10:90, 10:80]).max() <= 4  # Pillow stores JPEG
    assert np.abs(page.pixels[10:90, 120:190] - expected[10:90, 120:190]).max() <= 4


@pytest.mark.parametrize(("page", "dpi", "size"), [(0, 50, (50, 100)), (0, 300, (300, 600)), (1, 100, (80, 50))])
def test_resolution_and_page_decide_the_size(page, dpi, size):
    rendered = load_pdf_page(PDF, page, dpi)
    assert (rendered.height, rendered.width) == size
    assert rendered.notes == (f"PDF: page {page + 1} of 2 at {dpi} dpi",)


def test_a_path_inside_a_root(tmp_path):
    (tmp_path / "two.pdf").write_bytes(PDF)
    assert load_pdf_page("two.pdf", 1, root=tmp_path).source == "two.pdf"
    with pytest.raises(SourceNotFound, match=r"image \(three\.pdf\)"):
        load_pdf_page("three.pdf", root=tmp_path)


@pytest.mark.parametrize("page", [-1, 2, 10**6])
def test_no_such_page(page):
    with pytest.raises(InvalidArgument, match=r"has 2 page\(s\), counted from 0"):
        load_pdf_page(PDF, page)


@pytest.mark.parametrize("dpi", [0, -72, float("nan"), float("inf")])
def test_no_such_resolution(dpi):
    with pytest.raises(InvalidArgument, match="resolution"):
        load_pdf_page(PDF, dpi=dpi)


def test_a_page_that_would_be_too_large_is_not_rendered():
    with pytest.raises(DecodedTooLarge, match="2000000 x 1000000"):
        load_pdf_page(PDF, dpi=1e6)
    with pytest.raises(DecodedTooLarge):
        load_pdf_page(PDF, dpi=100, limits=Limits(max_pixels=200 * 100 - 1))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyMedia),
        (b"hello", UnsupportedFormat),
        (PDF[:200], TruncatedMedia),
        (PDF[: len(PDF) // 2], TruncatedMedia),
        (b"%PDF-1.7\nnothing more\n%%EOF\n", CorruptMedia),
    ],
)
def test_bad_files(data, error):
    with pytest.raises(error):
        load_pdf_page(data)


def test_an_encrypted_file_needs_its_password():
    """Encrypted by hand as PDF 1.4's section 3.5 says (RC4 of 40 bits), since nothing installed here writes one."""
    locked = encrypted(b"secret")
    with pytest.raises(SourceNotAllowed, match="pass its password"):
        load_pdf_page(locked)
    with pytest.raises(SourceNotAllowed, match="another password"):
        load_pdf_page(locked, password="open")
    assert load_pdf_page(locked, password="secret", dpi=72).pixels.shape == (40, 30, 3)


def rc4(key: bytes, data: bytes) -> bytes:
    state, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def encrypted(password: bytes) -> bytes:
    """An empty page of 30 x 40 points behind a user password, revision 2 of the standard handler."""
    import hashlib

    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (password + padding)[:32]
    owner = rc4(hashlib.md5(padded).digest()[:5], padded)
    rights, name = -4, b"0123456789abcdef"
    secret = hashlib.md5(padded + owner + rights.to_bytes(4, "little", signed=True) + name).digest()[:5]
    user = rc4(secret, padding)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 30 40] >>",
        b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>"
        % (owner.hex().encode(), user.hex().encode(), rights),
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, name_hex = len(data), name.hex().encode()
    data += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"trailer\n<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<%s> <%s>] >>\n" % (name_hex, name_hex)
    return data + b"startxref\n%d\n%%%%EOF\n" % start


def test_without_the_renderer_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(BackendMissing, match=r"mmkit\[pdf\]"):
        load_pdf_page(PDF)
