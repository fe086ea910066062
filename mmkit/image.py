"""Images: from bytes to normalised patches.

    source -> load_image -> Picture: pixels (H, W, 3) uint8 + notes
           -> target_size, resize, center_crop -> normalize -> patchify -> patches (n, C*T*p*p) + grid_thw
    features(pixels, recipe) does the second line in one call; kernels.image_features is its fused twin

Follows transformers' CLIP, SigLIP and Qwen2-VL processors (torchvision back end), bit for bit, and vLLM's rules
for EXIF and alpha. Leaves out augmentation for training and other families' tiling; video is in video.py.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import (  # the plug-ins register themselves; no other format is ever tried
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from mmkit import media
from mmkit.containers import png_missing
from mmkit.errors import (
    BadEncoding,
    CorruptMedia,
    EmptyMedia,
    InvalidArgument,
    MediaError,
    MmkitError,
    ModelError,
    NonFiniteSamples,
    TruncatedMedia,
    UnsupportedFormat,
    label,
)
from mmkit.recipes import Channels, ImageRecipe
from mmkit.sizes import ShortestEdge, SmartResize, Stretch
from mmkit.sizes import smart_resize as smart_resize  # lessons and readers look for it here

# Damage is an error or a note here; Pillow would print warnings as well, which name its own lines.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

Method = Literal["nearest", "bilinear", "bicubic"]
WHITE = (255, 255, 255)
ORIENTATION = 0x0112  # EXIF tag
# What Pillow says of a sound file whose mode, compression or bit layout it lacks.
UNKNOWN_KINDS = ("unsupported", "unknown", "cannot handle", "not available", "not implemented", "configuration")
UNKNOWN_KIND = "a kind of this format that Pillow does not know; save it again as PNG or JPEG"


# ---------------------------------------------------------------------------------------------- load


@dataclass(frozen=True, eq=False)
class Picture:
    """An RGB picture and what had to be repaired to get it."""

    pixels: np.ndarray  # (H, W, 3) uint8, C-contiguous
    notes: tuple[str, ...]  # every repair, in the order in which it was done
    source: str  # short label for messages

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]


def load_image(
    source: Any,
    *,
    layout: Literal["HW", "HWC", "CHW"] | None = None,
    background: tuple[int, int, int] = WHITE,
    root: str | os.PathLike[str] | None = None,
    limits: media.Limits = media.LIMITS,
    fetch: Callable[[str], bytes] | None = None,
) -> Picture:
    """Read a picture from anything, turn it upright and make it RGB; say in `notes` what that took.

    source: path, bytes, file object, data: URL, PIL image, numpy array or torch tensor.
    layout: order of an array's axes, needed where its shape does not tell.
    background: colour behind transparent pixels.  root, limits, fetch: see media.read.
    Raises a MediaError: DecodedTooLarge before a pixel is decoded, TruncatedMedia, CorruptMedia, BadEncoding,
    NonFiniteSamples, EmptyMedia, UnsupportedFormat, or what media.read raises.

    >>> load_image(np.zeros((2, 3), np.float32)).notes
    ('floats 0..1: scaled to 0..255', 'grey: copied to three channels')
    """
    if isinstance(source, Picture):
        return source
    try:
        if isinstance(source, Image.Image):
            _check_pixels(source.width, source.height, limits)
            pixels, notes = _guarded(_pil_to_rgb, source, background)
        elif isinstance(source, np.ndarray) or hasattr(source, "__array__"):
            tensor = getattr(source, "detach", None)  # torch's, which may ask for gradients
            array = np.asarray(source) if tensor is None else tensor().cpu().numpy()
            pixels, notes = array_to_rgb(array, layout, background, limits)
        else:
            blob = media.read(source, modality="image", root=root, limits=limits, fetch=fetch)
            pixels, notes = decode(blob.data, blob.format, background, limits)
            return Picture(pixels, (*blob.notes, *notes), blob.label)
    except MmkitError as error:
        raise error.at(source=label(source), modality="image") from error.cause
    return Picture(pixels, notes, label(source))


def decode(
    data: bytes, form: str, background: tuple[int, int, int] = WHITE, limits: media.Limits = media.LIMITS
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Bytes of a known format -> pixels (H, W, 3) uint8 and notes. The size is checked before decoding.

    Plain colour and grey JPEGs go through simplejpeg, which is the same libjpeg-turbo with the same settings as
    Pillow's, without the copies; everything else goes through Pillow.
    """
    image = _open(data, form)
    _check_pixels(image.width, image.height, limits)
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        return _decode_jpeg(data, image)
    if image.format == "JPEG":  # CMYK: Pillow fills in grey, without a word, what the data do not reach
        _guarded(_whole_jpeg, data)
    if image.info.get("compression") == "webp":  # libtiff as Pillow brings it lacks that, and does not say so
        raise UnsupportedFormat(UNKNOWN_KIND)
    pixels, notes = _guarded(_pil_to_rgb, image, background)
    if form == "png" and _ends_black(image) and (missing := png_missing(data)):
        raise TruncatedMedia(f"{missing} bytes of this PNG's pixels are missing")
    if form == "png" and len(data) > 25 and data[24] == 16 and "16" not in image.mode:
        notes = ("16 bits a channel: the upper 8 kept", *notes)  # Pillow reads 16-bit colour no other way
    return pixels, notes


def _ends_black(image: Image.Image) -> bool:
    """Is one of the last two rows all zero? Pillow leaves rows so, without a word, where a PNG's data end early."""
    last = np.asarray(image.crop((0, max(0, image.height - 2), image.width, image.height)))
    return not last.reshape(len(last), -1).any(axis=1).all()


def picture_size(blob: media.Blob) -> tuple[int, int]:
    """(height, width) of a picture as it is seen, after an EXIF turn, from the header alone."""
    image = _open(blob.data, blob.format)
    turned = _orientation(image) >= 5 and image.format != "TIFF"  # Pillow has swapped a TIFF's already
    return (image.width, image.height) if turned else (image.height, image.width)


def _open(data: bytes, form: str) -> Image.Image:
    """Read a header with Pillow; no pixel is decoded yet."""
    if form.upper() not in Image.OPEN:
        raise UnsupportedFormat(f"{form} is not among the picture formats that mmkit reads")
    factory = Image.OPEN[form.upper()][0]
    # The factory is what Image.open calls; unlike Image.open it neither tries other formats nor warns of size.
    return _guarded(factory, io.BytesIO(data), "")


def _check_pixels(width: int, height: int, limits: media.Limits) -> None:
    """Refuse an empty picture, and one with more pixels than the budget."""
    if not width or not height:
        raise EmptyMedia(f"{width} x {height} pixels; there is nothing to see")
    media.check_pixels(width, height, limits)


def _guarded(function: Callable, *arguments: Any) -> Any:
    """Call a decoder; whatever it raises becomes one of our errors."""
    try:
        return function(*arguments)
    except MediaError:
        raise
    except Exception as error:
        said = str(error).lower()
        if isinstance(error, EOFError) or "truncated" in said:
            raise TruncatedMedia("the file ends before the picture does", cause=error) from error
        no_such_codec = any(isinstance(detail, KeyError) for detail in error.args)  # a TIFF's compression
        if no_such_codec or any(words in said for words in UNKNOWN_KINDS):
            raise UnsupportedFormat(UNKNOWN_KIND, cause=error) from error
        raise CorruptMedia(f"the decoder gave up ({type(error).__name__})", cause=error) from error


def _whole_jpeg(data: bytes) -> None:
    """Raise TruncatedMedia for a CMYK JPEG whose data end early; other damage is Pillow's to judge."""
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, "CMYK")
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise TruncatedMedia("the JPEG data end before the picture does", cause=error) from error


def _decode_jpeg(data: bytes, image: Image.Image) -> tuple[np.ndarray, tuple[str, ...]]:
    """A plain JPEG: decode, copy grey to three channels, turn upright."""
    import simplejpeg

    notes = []
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise TruncatedMedia("the JPEG data end before the picture does", cause=error) from error
        if "unsupported" in str(error).lower():
            raise UnsupportedFormat(UNKNOWN_KIND, cause=error) from error
        # libjpeg's warnings arrive here as errors; Pillow tells the fatal ones from the harmless.
        pixels = np.asarray(_guarded(image.convert, "RGB"))
        notes.append(f"damaged JPEG data: {str(error).splitlines()[0][:60]}")
    if image.mode == "L":
        notes.append("grey: copied to three channels")
    pixels, turned = turn_upright(pixels, _orientation(image))
    return pixels, (*notes, *turned, *_ignored(image))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or it cannot be read (as vLLM does)."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's EXIF reader raises many kinds on broken blocks
        return 1
    return value if value in range(1, 9) else 1


def _ignored(image: Image.Image) -> tuple[str, ...]:
    """Notes on what a file says about its picture and mmkit does not follow: as vLLM, it applies no RGB profile."""
    notes = []
    if image.info.get("exif"):
        try:
            exif = dict(image.getexif())
        except Exception:  # many kinds, as above
            exif = {}
        turn = exif.get(ORIENTATION, 1)
        if not exif:
            notes.append("EXIF block unreadable: ignored")
        elif turn not in range(1, 9):
            notes.append(f"EXIF orientation {ascii(turn)[:20]} means nothing: ignored")
    if (profile := image.info.get("icc_profile")) and image.mode != "CMYK":
        from PIL import ImageCms

        try:
            name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
            if "srgb" not in name.lower():
                notes.append(f"colour profile {name[:40]!a} not applied")
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            notes.append("colour profile unreadable: ignored")
    return tuple(notes)


def turn_upright(pixels: np.ndarray, orientation: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Undo the turn that a camera noted in EXIF instead of turning the pixels.

    pixels: (H, W, C).  orientation: 1 to 8 of EXIF tag 0x0112.  Returns (H, W, C) or (W, H, C), and notes.
    Source: EXIF 2.3, 4.6.4; the same as PIL.ImageOps.exif_transpose.

    >>> turned, notes = turn_upright(np.zeros((2, 5, 3), np.uint8), 6)
    >>> turned.shape, notes
    ((5, 2, 3), ('EXIF orientation 6: turned upright',))
    """
    if orientation == 1:
        return pixels, ()
    if orientation >= 5:  # 5 to 8 swap rows and columns
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels), (f"EXIF orientation {orientation}: turned upright",)


def _pil_to_rgb(image: Image.Image, background: tuple[int, int, int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Any Pillow image -> pixels (H, W, 3) uint8 and notes; the caller's image stays as it was."""
    notes = []
    if getattr(image, "is_animated", False) and not image.tell():
        notes.append(f"{getattr(image, 'n_frames', 1)} pictures in the file: only the first is read")
    if image.format == "PNG":
        image.load()  # before its EXIF is asked for, which loads it as well, and takes an error for a broken block
    opened, turned = image, _orientation(image)
    image.load()
    if turned != 1:
        image = ImageOps.exif_transpose(image)
        notes.append(f"EXIF orientation {turned}: turned upright")
    image, repairs = to_eight_bits(image)
    notes += repairs
    if image.mode == "CMYK":
        image, note = _cmyk_to_rgb(image)
        notes.append(note)
    if image.mode in ("P", "PA"):
        notes.append("palette: looked up")
    if image.mode == "LAB":
        notes.append("CIELAB: converted to sRGB")
    if image.mode == "La":  # Pillow takes it to RGBA by way of LA alone
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image, note = flatten_alpha(image, background)
        notes.append(note)
    elif image.mode in ("1", "L"):
        notes.append("grey: copied to three channels")
    notes += _ignored(opened)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image), tuple(notes)  # a copy: Pillow's own memory is read-only


def to_eight_bits(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Scale 16-bit and float grey images to 8 bits, where Pillow's convert would clip them.

    16 bits: round(value / 257), so that 65535 becomes 255.  Floats must lie in 0..1.
    A transparent grey level (PNG tRNS) is kept, as alpha.
    """
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image, []
    values = np.asarray(image)
    if image.mode == "F":
        grey, note = scale_floats(values)
    elif values.min() < 0 or values.max() > 65535:
        raise BadEncoding(
            f"32-bit values from {values.min()} to {values.max()}: no known range; scale them to 0..255 first"
        )
    elif getattr(image, "tag_v2", {}).get(258) == (12,):  # Pillow leaves 12 bits as they are, in 16
        grey, note = scale_16_bits((values.astype(np.uint32) * 65535 + 2047) // 4095)[0], "12 bits: scaled to 8"
    else:
        grey, note = scale_16_bits(values)
    scaled = Image.fromarray(grey)
    if isinstance(image.info.get("transparency"), int):
        alpha = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
        scaled = Image.merge("LA", (scaled, Image.fromarray(alpha)))
    return scaled, [note]


def scale_16_bits(values: np.ndarray) -> tuple[np.ndarray, str]:
    """round(v / 257): 0..65535 -> 0..255, exactly where both ends meet.

    >>> scale_16_bits(np.array([0, 128, 129, 256, 65535]))[0]
    array([  0,   0,   1,   1, 255], dtype=uint8)
    """
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8), "16 bits: scaled to 8 by 1/257"


def scale_floats(values: np.ndarray) -> tuple[np.ndarray, str]:
    """round(255 v) for floats in 0..1; anything else is an error, as no range can be guessed."""
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low + high):
        where = np.argwhere(~np.isfinite(values))[0].tolist()
        raise NonFiniteSamples(f"NaN or infinity at index {where}; repair the array first")
    if low < 0 or high > 1:
        advice = "was it normalised already?" if low < 0 else "divide by 255, or pass uint8"
        raise BadEncoding(f"floats from {low:.4g} to {high:.4g}, expected 0..1; {advice}")
    return np.rint(values * 255).astype(np.uint8), "floats 0..1: scaled to 0..255"


def flatten_alpha(image: Image.Image, background: tuple[int, int, int]) -> tuple[Image.Image, str]:
    """Lay an image with transparency on a colour, in vLLM's arithmetic: c a + b (1 - a), in 8 bits.

    Covers RGBA, LA, palettes with alpha and PNG's tRNS chunk.
    """
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB"), "alpha: opaque everywhere, dropped"
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(image, mask=alpha)
    return canvas, f"alpha: laid on {background}"


def _cmyk_to_rgb(image: Image.Image) -> tuple[Image.Image, str]:
    """CMYK by the embedded colour profile if there is a working one, else by the plain formula."""
    if profile := image.info.get("icc_profile"):
        from PIL import ImageCms

        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            rgb = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return rgb or image, "CMYK: converted by its ICC profile"  # None only where it works in place
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            return image.convert("RGB"), "CMYK: ICC profile unusable, converted by the plain formula"
    return image.convert("RGB"), "CMYK: converted by the plain formula"


def array_to_rgb(
    array: np.ndarray,
    layout: str | None = None,
    background: tuple[int, int, int] = WHITE,
    limits: media.Limits = media.LIMITS,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """An array of pixels -> (H, W, 3) uint8 and notes. Never guesses between rows, columns and channels.

    array: uint8, uint16, bool or floats in 0..1, with 1 to 4 channels (2 and 4: the last is alpha).
    layout: "HW", "HWC" or "CHW".  Without it, a 3-D array must have a small axis (1 to 4) at one end only.

    >>> array_to_rgb(np.zeros((3, 5, 3), np.uint8))
    Traceback (most recent call last):
    mmkit.errors.BadEncoding: shape (3, 5, 3) may be HWC or CHW: pass layout=
    """
    order = layout or _obvious_layout(array.shape)
    if order not in ("HW", "HWC", "CHW") or array.ndim != len(order):
        raise InvalidArgument(f"layout {order!r} does not fit an array of shape {array.shape}")
    if array.size == 0:
        raise EmptyMedia(f"an array of shape {array.shape} holds no pixels")
    if order == "CHW":
        array = array.transpose(1, 2, 0)
    if order == "HW":
        array = array[:, :, None]
    height, width, channels = array.shape
    if channels not in (1, 2, 3, 4):
        raise BadEncoding(f"{channels} channels in {order} {array.shape}; pictures have 1 to 4")
    _check_pixels(width, height, limits)
    pixels, notes = _array_to_uint8(array)
    if channels in (2, 4):
        image = Image.fromarray(np.ascontiguousarray(pixels), "LA" if channels == 2 else "RGBA")
        flat, note = flatten_alpha(image, background)
        pixels, notes = np.array(flat), [*notes, note]
    elif channels == 1:
        pixels, notes = np.repeat(pixels, 3, axis=2), [*notes, "grey: copied to three channels"]
    return np.ascontiguousarray(pixels), tuple(notes)


def _obvious_layout(shape: tuple[int, ...]) -> str:
    """The only reading of a shape, or an error that asks for one."""
    if len(shape) == 2:
        return "HW"
    if len(shape) != 3:
        raise BadEncoding(f"shape {shape}: a picture has 2 or 3 axes; pass one picture at a time")
    first, last = shape[0] in (1, 2, 3, 4), shape[2] in (1, 2, 3, 4)
    if first and last:
        raise BadEncoding(f"shape {shape} may be HWC or CHW: pass layout=")
    if not first and not last:
        raise BadEncoding(f"shape {shape} has no axis of 1 to 4 channels at either end")
    return "CHW" if first else "HWC"


def _array_to_uint8(array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Any accepted dtype -> uint8 in 0..255, with a note where values changed."""
    if array.dtype == np.uint8:
        return array, []
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), ["True and False: scaled to 255 and 0"]
    if array.dtype == np.uint16:
        pixels, note = scale_16_bits(array)
        return pixels, [note]
    if array.dtype.kind == "f":
        pixels, note = scale_floats(array)
        return pixels, [note]
    raise BadEncoding(f"dtype {array.dtype}: pass uint8, uint16, bool or floats in 0..1")


# ---------------------------------------------------------------------------------------------- resize


def target_size(height: int, width: int, recipe: ImageRecipe) -> tuple[int, int]:
    """The size that a recipe resizes to, before any crop: (height, width) -> (height, width).

    >>> from mmkit.recipes import CLIP, QWEN2_VL, SIGLIP
    >>> [target_size(480, 640, recipe) for recipe in (QWEN2_VL, CLIP, SIGLIP)]
    [(476, 644), (224, 298), (224, 224)]
    """
    return recipe.resize.target_size(height, width)


def kernel(x: np.ndarray, method: Method, antialias: bool = True) -> np.ndarray:
    """Weight of a source pixel at distance x (in pixels) from where we look.

    bilinear: a triangle.  bicubic: Keys' cubic (1981) with a = -0.5; torch without antialias uses a = -0.75.

    >>> kernel(np.array([0.0, 0.5, 1.5, 2.5]), "bicubic")
    array([ 1.    ,  0.5625, -0.0625,  0.    ])
    """
    x = np.abs(x)
    if method == "nearest":
        return (x < 0.5).astype(float)
    if method == "bilinear":
        return np.maximum(0.0, 1.0 - x)
    a = -0.5 if antialias else -0.75
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def resize_matrix(old: int, new: int, method: Method = "bicubic", antialias: bool = True) -> np.ndarray:
    """Resizing one axis is one matrix: (new, old), each row sums to 1.

    Row i looks at the source position (i + 1/2) old/new - 1/2.  With antialias, a shrinking kernel is stretched
    by old/new, so that every source pixel counts; without, pixels between the looks are never read.

    >>> resize_matrix(6, 2, "bilinear").round(2)
    array([[0.25, 0.37, 0.25, 0.12, 0.  , 0.  ],
           [0.  , 0.  , 0.12, 0.25, 0.37, 0.25]])
    """
    scale = old / new
    if method == "nearest":
        looks = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(scale)
        return np.eye(old)[np.minimum(looks.astype(int), old - 1)]  # float32, as torch: it decides ties
    stretch = max(scale, 1.0) if antialias else 1.0
    centre = (np.arange(new) + 0.5) * scale - 0.5
    if antialias:
        weights = kernel((np.arange(old) - centre[:, None]) / stretch, method)
        return weights / weights.sum(axis=1, keepdims=True)
    # Without antialias torch repeats the border pixel instead of leaving it out.
    weights = np.zeros((new, old))
    for step in range(-1, 3):
        source = np.floor(centre) + step
        column = np.clip(source, 0, old - 1).astype(int)
        np.add.at(weights, (np.arange(new), column), kernel(centre - source, method, antialias=False))
    return weights


def resize_by_matrix(
    pixels: np.ndarray, size: tuple[int, int], method: Method = "bicubic", antialias: bool = True
) -> np.ndarray:
    """The readable resize: along the rows, then along the columns, each a matrix product rounded to bytes.

    pixels: (H, W, C) uint8.  size: (h, w).  Returns (h, w, C) uint8, bit for bit what torch computes.
    """
    across = resize_matrix(pixels.shape[1], size[1], method, antialias)
    down = resize_matrix(pixels.shape[0], size[0], method, antialias)
    rows = _times(across, pixels.transpose(1, 0, 2))  # w H C
    return _times(down, rows.transpose(1, 0, 2))  # h w C


def _times(matrix: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """matrix (new, old) @ pixels (old, ...) in torch's fixed point: the finest weights that 16 bits can hold."""
    bits = max(b for b in range(23) if int(0.5 + matrix.max() * 2**b) < 2**15)
    weights = np.copysign(np.floor(np.abs(matrix) * 2**bits + 0.5), matrix).astype(np.int64)
    sums = np.tensordot(weights, pixels.astype(np.int64), axes=1) + 2 ** (bits - 1)
    return np.clip(sums >> bits, 0, 255).astype(np.uint8)


def resize(
    pixels: np.ndarray, size: tuple[int, int], method: Method = "bicubic", antialias: bool = True
) -> np.ndarray:
    """Resize as transformers' processors do: torchvision's byte kernel.

    pixels: (H, W, C) uint8.  size: (h, w).  Returns (h, w, C) uint8, C-contiguous.  Equals resize_by_matrix.
    The array goes in as a view, not as a copy.
    """
    import torch
    from torchvision.transforms.v2.functional import InterpolationMode
    from torchvision.transforms.v2.functional import resize as torch_resize

    mode = InterpolationMode("nearest-exact" if method == "nearest" else method)
    pixels = np.require(pixels, requirements=["C", "W"])  # a copy only where torch cannot take a view
    planes = torch.from_numpy(pixels).permute(2, 0, 1)  # C H W
    resized = torch_resize(planes, list(size), interpolation=mode, antialias=antialias)
    return np.ascontiguousarray(resized.permute(1, 2, 0).numpy())


def center_crop(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut height x width from the middle; where the picture is smaller, black fills the rest.

    pixels: (H, W, C).  Returns (height, width, C).  Source: transformers' center_crop.

    >>> center_crop(np.arange(5)[:, None, None], 3, 1).ravel()
    array([1, 2, 3])
    """
    rows, columns = pixels.shape[:2]
    if height > rows or width > columns:
        above, left = max(0, height - rows) // 2, max(0, width - columns) // 2
        below, right = (max(0, height - rows) + 1) // 2, (max(0, width - columns) + 1) // 2
        pixels = np.pad(pixels, ((above, below), (left, right), (0, 0)))
        rows, columns = pixels.shape[:2]
    top, left = (rows - height) // 2, (columns - width) // 2
    return pixels[top : top + height, left : left + width]


# ---------------------------------------------------------------------------------------------- normalise


def normalize(pixels: np.ndarray, mean: Channels, std: Channels, axis: int = -1) -> np.ndarray:
    """z = (x / 255 - mean) / std, per channel.

    pixels: uint8, channels on `axis`.  mean, std: one number a channel, for pixels in 0..1.  Returns float32.
    Computed as (x - 255 mean) / (255 std), which is transformers' order: the last bits depend on it.

    >>> normalize(np.uint8([[0, 128, 255]]), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).round(3)
    array([[-1.   ,  0.004,  1.   ]], dtype=float32)
    """
    center, spread = _statistics(mean, std, pixels.ndim, axis)
    values = pixels.astype(np.float32)
    values -= center
    values /= spread
    return values


def denormalize(values: np.ndarray, mean: Channels, std: Channels, axis: int = -1) -> np.ndarray:
    """The inverse of normalize, rounded and clipped to bytes: x = round(255 (z std + mean)).

    >>> half = (0.5, 0.5, 0.5)
    >>> denormalize(normalize(np.uint8([[0, 128, 255]]), half, half), half, half)
    array([[  0, 128, 255]], dtype=uint8)
    """
    center, spread = _statistics(mean, std, values.ndim, axis)
    return np.clip(np.rint(values * spread + center), 0, 255).astype(np.uint8)


def _statistics(mean: Channels, std: Channels, axes: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std in units of 0..255, float32, shaped to broadcast along one of `axes` axes."""
    shape = [1] * axes
    shape[axis] = -1
    center, spread = (np.array(numbers, np.float32) * np.float32(255) for numbers in (mean, std))
    return center.reshape(shape), spread.reshape(shape)


# ---------------------------------------------------------------------------------------------- patches


def patchify(
    frames: np.ndarray, patch: int = 14, merge: int = 2, temporal_patch: int = 2
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Cut a picture or a clip into flat patches, in merge order.

    frames: (H, W, C) or (T, H, W, C), sides multiples of patch * merge.  A picture is a clip of one frame; the
    last frame is repeated until temporal_patch divides T.  Returns patches (gt*gh*gw, C*pt*p*p) and the grid
    (gt, gh, gw), counted in patches.  Merge order: the merge x merge patches that become one token are
    neighbours; within a patch the order is channel, time, row, column.
    Source: Qwen2-VL (2024); equals transformers' Qwen2VLImageProcessor.patchify.

    >>> board = np.arange(16).reshape(4, 4, 1)  # 4 x 4 patches of one pixel
    >>> patchify(board, patch=1, merge=2, temporal_patch=1)[0].ravel()
    array([ 0,  1,  4,  5,  2,  3,  6,  7,  8,  9, 12, 13, 10, 11, 14, 15])
    """
    frames = frames[None] if frames.ndim == 3 else frames
    T, H, W, C = frames.shape
    m, p, pt = merge, patch, temporal_patch
    if H % (m * p) or W % (m * p):
        raise InvalidArgument(f"{W} x {H} pixels is no multiple of {m * p} (patch {p} x merge {m}): resize first")
    if T == 1:
        frames = np.broadcast_to(frames, (pt, H, W, C))  # copies that take no memory yet
    elif missing := -T % pt:
        frames = np.concatenate([frames, np.repeat(frames[-1:], missing, axis=0)])
    gt, gh, gw = len(frames) // pt, H // (m * p), W // (m * p)
    x = frames.reshape(gt, pt, gh, m, p, gw, m, p, C)  # split time, rows and columns into patches
    x = x.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)  # gt gh gw m m C pt p p: merge blocks become neighbours
    return x.reshape(gt * gh * gw * m * m, C * pt * p * p), (gt, gh * m, gw * m)


def unpatchify(
    patches: np.ndarray,
    grid: tuple[int, int, int],
    patch: int = 14,
    merge: int = 2,
    temporal_patch: int = 2,
) -> np.ndarray:
    """The inverse of patchify: patches and their grid -> frames (T, H, W, C).

    >>> frames = np.random.default_rng(0).integers(0, 9, (2, 8, 4, 3))
    >>> bool((unpatchify(*patchify(frames, patch=2), patch=2) == frames).all())
    True
    """
    gt, gh, gw = grid
    m, p, pt = merge, patch, temporal_patch
    C = patches.shape[1] // (pt * p * p)
    if patches.shape != (gt * gh * gw, C * pt * p * p) or gh % m or gw % m:
        raise InvalidArgument(f"patches of shape {patches.shape} do not fill a grid of {grid}")
    x = patches.reshape(gt, gh // m, gw // m, m, m, C, pt, p, p)
    x = x.transpose(0, 6, 1, 3, 7, 2, 4, 8, 5)  # gt pt gh m p gw m p C
    return x.reshape(gt * pt, gh * p, gw * p, C)


# ---------------------------------------------------------------------------------------------- features


def features(
    pixels: np.ndarray | Picture, recipe: ImageRecipe, dtype: Literal["float32", "uint8"] = "float32"
) -> dict[str, Any]:
    """What a model family's image processor returns for one picture, as torch tensors under its names.

    pixels: (H, W, 3) uint8, or a Picture.  dtype: "float32", normalised, as transformers gives it; or "uint8",
    not yet normalised, as vLLM's Qwen-VL processors give it (vLLM 0.32 normalises inside the model).
    Returns pixel_values (1, 3, h, w); for Qwen-VL's pixel_values (patches, C*T*p*p) and image_grid_thw (1, 3).
    Raises ModelError for a recipe whose pixels mmkit does not make (tiles).

    >>> from mmkit.recipes import QWEN2_VL
    >>> out = features(np.zeros((480, 640, 3), np.uint8), QWEN2_VL)
    >>> tuple(out["pixel_values"].shape), out["image_grid_thw"].tolist()
    ((1564, 1176), [[1, 34, 46]])
    """
    import torch

    resized = resize_to_recipe(pixels, recipe)
    if dtype not in ("float32", "uint8"):
        raise InvalidArgument(f"dtype {dtype!r}: features come as 'float32' or 'uint8'")
    if not isinstance(recipe.resize, SmartResize):
        planes = np.ascontiguousarray(resized.transpose(2, 0, 1))[None]  # 1 C H W
        values = planes if dtype == "uint8" else normalize(planes, recipe.mean, recipe.std, axis=1)
        return {"pixel_values": torch.from_numpy(values)}
    values = resized if dtype == "uint8" else normalize(resized, recipe.mean, recipe.std)
    patches, grid = patchify(values, recipe.patch, recipe.merge, recipe.temporal_patch)
    return {"pixel_values": torch.from_numpy(patches), "image_grid_thw": torch.tensor([grid])}


def resize_to_recipe(pixels: np.ndarray | Picture, recipe: ImageRecipe) -> np.ndarray:
    """What the model sees of a picture: resized, and cropped where the recipe says so, (h, w, 3) uint8.

    pixels: (H, W, 3) uint8, or a Picture.  Raises BadEncoding for other arrays, and ModelError for a recipe whose
    pixels mmkit does not make (tiles).
    """
    pixels = pixels.pixels if isinstance(pixels, Picture) else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadEncoding(f"{pixels.dtype} {pixels.shape}: features want (H, W, 3) uint8; use load_image")
    if recipe.method == "lanczos" or not isinstance(recipe.resize, (SmartResize, ShortestEdge, Stretch)):
        how = f"{type(recipe.resize).__name__}, {recipe.method}"
        raise ModelError(
            f"recipe {recipe.name} ({how}): mmkit counts its tokens only; its pixels are made by the model's own "
            "processor (MultiModalPreprocessor.preprocess)"
        )
    height, width = pixels.shape[:2]
    resized = resize(pixels, target_size(height, width, recipe), recipe.method)
    crop = recipe.resize.crop if isinstance(recipe.resize, ShortestEdge) else None
    return center_crop(resized, crop, crop) if crop else resized
