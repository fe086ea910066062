"""Pages of a PDF as pictures: rendered at a resolution, guarded like every other medium.

    path or bytes -> load_pdf_page(page, dpi) -> Picture: pixels (H, W, 3) uint8 + notes

Follows PDFium, the renderer of Chrome, by pypdfium2 (`pip install "mmkit[pdf]"`); 72 points are an inch.
Leaves out the text that a PDF may hold beside its looks, and writing. PDFium mends what it can of a damaged file
without saying so: what it cannot draw stays white. It is not safe among threads: map pages over processes.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mmkit import media
from mmkit.errors import (
    BackendMissing,
    CorruptMedia,
    EmptyMedia,
    InvalidArgument,
    MmkitError,
    SourceNotAllowed,
    TruncatedMedia,
    UnsupportedFormat,
    label,
)
from mmkit.image import Picture

POINTS_PER_INCH = 72
HEADER_WITHIN = 1024  # bytes in which a reader must find "%PDF-"


def load_pdf_page(
    source: str | os.PathLike[str] | bytes,
    page: int = 0,
    dpi: float = 150.0,
    *,
    password: str | None = None,
    root: str | os.PathLike[str] | None = None,
    limits: media.Limits = media.LIMITS,
) -> Picture:
    """Render one page of a PDF on white.

    source: a path or bytes.  page: counted from 0.  dpi: pixels an inch; a page of A4 is 1240 x 1754 at 150.
    password: of an encrypted file.  root, limits: see media.read.
    Raises BackendMissing without pypdfium2, InvalidArgument where there is no such page or dpi is not positive,
    SourceNotAllowed where the password is missing or wrong, DecodedTooLarge before anything is rendered,
    EmptyMedia, UnsupportedFormat (no PDF), TruncatedMedia, CorruptMedia, or what media.read_file raises.

    >>> load_pdf_page(b"not a PDF")
    Traceback (most recent call last):
    ...
    mmkit.errors.UnsupportedFormat: image (9 bytes): this is no PDF: it does not begin with %PDF-
    """
    try:
        data = source if isinstance(source, bytes) else media.read_file(source, root=root, limits=limits)
        pixels, count = _render(data, page, dpi, password, limits)
    except MmkitError as error:
        raise error.at(source=label(source), modality="image") from error.cause
    return Picture(pixels, (f"PDF: page {page + 1} of {count} at {dpi:g} dpi",), label(source))


def _render(
    data: bytes, page: int, dpi: float, password: str | None, limits: media.Limits
) -> tuple[np.ndarray, int]:
    """Pixels (H, W, 3) uint8 of a page, and how many pages there are."""
    try:
        import pypdfium2
    except ImportError as error:
        raise BackendMissing('pypdfium2 is not installed: pip install "mmkit[pdf]"', cause=error) from error
    if not data:
        raise EmptyMedia("0 bytes; nothing to decode")
    if b"%PDF-" not in data[:HEADER_WITHIN]:
        raise UnsupportedFormat("this is no PDF: it does not begin with %PDF-")
    if not 0 < dpi < float("inf"):
        raise InvalidArgument(f"dpi={dpi!r}: a resolution is a positive number, 150 for instance")
    try:
        document = pypdfium2.PdfDocument(data, password)
    except pypdfium2.PdfiumError as error:
        raise _explain(error, data, password) from error
    try:
        count = len(document)
        if not 0 <= page < count:
            raise InvalidArgument(f"page={page!r}: this PDF has {count} page(s), counted from 0")
        try:
            sheet = document[page]
        except pypdfium2.PdfiumError as error:
            raise CorruptMedia(f"page {page} cannot be read; save the file again", cause=error) from error
        scale: Any = dpi / POINTS_PER_INCH  # pypdfium2's own hint says int, its documentation float
        width, height = (max(1, round(side * scale)) for side in sheet.get_size())
        media.check_pixels(width, height, limits)
        bitmap: Any = sheet.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
        return np.ascontiguousarray(bitmap.to_numpy()[:, :, :3]), count  # a copy: the bitmap is freed
    finally:
        document.close()


def _explain(error: Any, data: bytes, password: str | None) -> MmkitError:
    """PDFium's reason for not opening a document as one of our errors."""
    import pypdfium2.raw as raw

    if error.err_code == raw.FPDF_ERR_PASSWORD:
        said = "another password is needed" if password else "it is encrypted; pass its password"
        return SourceNotAllowed(said, cause=error)
    if error.err_code == raw.FPDF_ERR_SECURITY:
        return UnsupportedFormat("encrypted in a way that PDFium does not know", cause=error)
    if b"%%EOF" not in data[-2048:]:
        return TruncatedMedia("the end of this PDF is missing; fetch it again", cause=error)
    return CorruptMedia("PDFium cannot read this PDF; save it again", cause=error)
