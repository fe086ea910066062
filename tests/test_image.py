"""Images: loading, resizing, normalising, patches.

Oracles: Pillow for decoding, vLLM's own loader for alpha and EXIF rules (repeated by hand here), torch for every
resize, transformers' processors on the torchvision back end for features. Bit for bit unless a line says less.
"""

import io
import struct
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from mmkit import image, media
from mmkit.errors import (
    BadEncoding,
    CorruptMedia,
    DecodedTooLarge,
    EmptyMedia,
    InvalidArgument,
    LimitExceeded,
    MediaError,
    NonFiniteSamples,
    TruncatedMedia,
    UnsupportedFormat,
)
from mmkit.image import features, load_image, patchify, resize, resize_by_matrix, smart_resize, unpatchify
from mmkit.recipes import CLIP, HALF, IMAGENET, IMAGENET_MEAN, IMAGENET_STD, QWEN2_VL, QWEN3_VL, SIGLIP

RED, WHITE = (255, 0, 0), (255, 255, 255)


def noise(height, width, seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def scene(height=48, width=64):
    """Smooth, as JPEG likes it."""
    y, x = np.mgrid[:height, :width]
    waves = (np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11))
    return np.stack([127 + 100 * wave for wave in waves], axis=2).astype(np.uint8)


def encoded(picture, form, **options):
    buffer = io.BytesIO()
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(buffer, form, **options)
    return buffer.getvalue()


# ---- decoding: equal to Pillow where Pillow is right


@pytest.mark.parametrize("quality", [10, 75, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (48, 64), (61, 35)])
def test_jpeg_equals_pillow(size, subsampling, quality):
    data = encoded(scene(*size), "JPEG", quality=quality, subsampling=subsampling)
    picture = load_image(data)
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data))))
    assert picture.notes == ()


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_unusual_jpeg_equals_pillow(options):
    data = encoded(scene(), "JPEG", **options)
    np.testing.assert_array_equal(load_image(data).pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_come_back_as_they_were(form):
    options = {"lossless": True} if form == "WEBP" else {}
    picture = load_image(encoded(noise(13, 17), form, **options))
    np.testing.assert_array_equal(picture.pixels, noise(13, 17))
    assert picture.notes == ()
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.flags.writeable


def test_grey_is_copied_to_three_channels():
    for form in ("PNG", "JPEG"):
        picture = load_image(encoded(scene()[:, :, 0], form))
        assert (picture.pixels == picture.pixels[:, :, :1]).all()
        assert picture.notes == ("grey: copied to three channels",)


@pytest.mark.parametrize("source", ["path", "bytes", "file", "pil", "array", "torch", "data URL"])
def test_every_kind_of_source(source, tmp_path):
    import base64

    data = encoded(noise(5, 6), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    forms = {
        "path": tmp_path / "a.png",
        "bytes": data,
        "file": io.BytesIO(data),
        "pil": Image.fromarray(noise(5, 6)),
        "array": noise(5, 6),
        "torch": torch.from_numpy(noise(5, 6)),
        "data URL": "data:image/png;base64," + base64.b64encode(data).decode(),
    }
    np.testing.assert_array_equal(load_image(forms[source]).pixels, noise(5, 6))


# ---- EXIF


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turn_equals_pillow(orientation, form):
    exif = Image.Exif()
    exif[image.ORIENTATION] = orientation
    data = encoded(scene(40, 56), form, exif=exif)
    opened = Image.open(io.BytesIO(data))
    expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    picture = load_image(data)
    np.testing.assert_array_equal(picture.pixels, expected)
    turned = (f"EXIF orientation {orientation}: turned upright",) if orientation > 1 else ()
    assert picture.notes == turned
    blob = media.read(data)
    assert image.picture_size(blob) == expected.shape[:2]
    np.testing.assert_array_equal(load_image(Image.open(io.BytesIO(data))).pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turn_upright_is_exif_transpose(orientation):
    exif = Image.Exif()
    exif[image.ORIENTATION] = orientation
    opened = Image.open(io.BytesIO(encoded(noise(3, 5), "PNG", exif=exif)))
    turned, _ = image.turn_upright(noise(3, 5), orientation)
    np.testing.assert_array_equal(turned, np.asarray(ImageOps.exif_transpose(opened)))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_broken_exif_is_ignored(exif):
    data = encoded(scene(), "JPEG", exif=exif)
    assert load_image(data).pixels.shape == (48, 64, 3)


def test_a_pil_source_is_not_changed():
    given_image = Image.fromarray(noise(4, 6, channels=4))
    load_image(given_image)
    assert given_image.mode == "RGBA"


# ---- alpha


def vllm_rgb(picture, background=WHITE):
    """vLLM 0.32's rule: to RGBA, then paste on the colour through the alpha channel."""
    picture = picture.convert("RGBA")
    canvas = Image.new("RGB", picture.size, background)
    canvas.paste(picture, mask=picture.split()[3])
    return np.asarray(canvas)


def transparent_pictures():
    rgba = Image.fromarray(noise(9, 7, channels=4))
    palette = Image.fromarray(noise(9, 7)).quantize(8)
    palette.info["transparency"] = 3
    colour_key = Image.fromarray(np.where(noise(9, 7) > 200, 255, 0).astype(np.uint8))
    grey_key = Image.fromarray(np.tile(np.arange(7, dtype=np.uint8), (9, 1)))
    return {
        "RGBA": (rgba, {}),
        "LA": (Image.fromarray(noise(9, 7, channels=2), "LA"), {}),
        "P + tRNS": (palette, {"transparency": 3}),
        "P + tRNS table": (palette, {"transparency": bytes(range(0, 256, 32))}),
        "RGB + tRNS": (colour_key, {"transparency": (255, 255, 255)}),
        "L + tRNS": (grey_key, {"transparency": 3}),
    }


@pytest.mark.parametrize("background", [WHITE, (0, 0, 0), (10, 200, 30)])
@pytest.mark.parametrize("kind", transparent_pictures())
def test_alpha_is_laid_on_the_background_as_vllm_does(kind, background):
    picture, options = transparent_pictures()[kind]
    data = encoded(picture, "PNG", **options)
    loaded = load_image(data, background=background)
    np.testing.assert_array_equal(loaded.pixels, vllm_rgb(Image.open(io.BytesIO(data)), background))
    assert f"alpha: laid on {background}" in loaded.notes


def test_hidden_red_stays_hidden():
    hidden = np.zeros((2, 2, 4), np.uint8)
    hidden[..., 0] = 255  # red, and fully transparent
    assert (load_image(encoded(hidden, "PNG")).pixels == 255).all()
    assert (np.asarray(Image.fromarray(hidden).convert("RGB")) == RED).all(), "what a plain convert gives"


def test_opaque_alpha_changes_nothing_and_says_so():
    rgba = np.dstack([noise(4, 5), np.full((4, 5), 255, np.uint8)])
    loaded = load_image(encoded(rgba, "PNG"))
    np.testing.assert_array_equal(loaded.pixels, noise(4, 5))
    assert loaded.notes == ("alpha: opaque everywhere, dropped",)


# ---- more than 8 bits, CMYK, palettes, several pictures


def png_16(values):
    """A 16-bit grey PNG written by hand."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(form):
    values = np.array([[0, 128, 129, 256, 32768, 65535]], np.uint16)
    data = png_16(values) if form == "PNG" else encoded(Image.fromarray(values), "TIFF")
    loaded = load_image(data)
    assert loaded.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert loaded.notes[0] == "16 bits: scaled to 8 by 1/257"
    clipped = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[0, :, 0]
    assert clipped.tolist() == [0, 128, 129, 255, 255, 255], "what a plain convert gives"


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=50))
def test_16_bits_round_to_the_nearest(values):
    scaled, _ = image.scale_16_bits(np.array(values, np.uint16))
    assert scaled.tolist() == [round(value / 257) for value in values]


def test_float_tiff():
    values = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    loaded = load_image(encoded(Image.fromarray(values), "TIFF"))
    assert loaded.pixels[..., 0].ravel().tolist() == [0, 51, 102, 153, 204, 255]
    for bad, error in ((np.nan, NonFiniteSamples), (np.inf, NonFiniteSamples), (1.5, BadEncoding)):
        values[1, 1] = bad
        with pytest.raises(error):
            load_image(encoded(Image.fromarray(values), "TIFF"))


def test_cmyk_says_how_it_was_converted():
    cmyk = Image.fromarray(scene()).convert("CMYK")
    plain = load_image(encoded(cmyk, "JPEG"))
    assert plain.notes == ("CMYK: converted by the plain formula",)
    np.testing.assert_array_equal(
        plain.pixels, np.asarray(Image.open(io.BytesIO(encoded(cmyk, "JPEG"))).convert("RGB"))
    )
    useless = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # not a CMYK profile
    odd = load_image(encoded(cmyk, "JPEG", icc_profile=useless))
    assert odd.notes == ("CMYK: ICC profile unusable, converted by the plain formula",)
    np.testing.assert_array_equal(odd.pixels, plain.pixels)


def test_palette():
    palette = Image.fromarray(noise(8, 8)).quantize(16)
    loaded = load_image(encoded(palette, "PNG"))
    np.testing.assert_array_equal(loaded.pixels, np.asarray(palette.convert("RGB")))
    assert loaded.notes == ("palette: looked up",)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_only_the_first_of_several_pictures(form):
    frames = [Image.new("RGB", (8, 6), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    loaded = load_image(data)
    assert (loaded.pixels == RED).all()
    assert any("3 pictures in the file: only the first" in note for note in loaded.notes), loaded.notes


# ---- arrays


@pytest.mark.parametrize(
    ("array", "layout", "expected"),
    [
        (np.full((6, 5, 3), 7, np.uint8), None, (6, 5, 3)),
        (np.full((3, 2, 5), 7, np.uint8), None, (2, 5, 3)),
        (np.full((2, 5), 7, np.uint8), None, (2, 5, 3)),
        (np.full((3, 5, 3), 7, np.uint8), "CHW", (5, 3, 3)),
        (np.full((3, 5, 3), 7, np.uint8), "HWC", (3, 5, 3)),
        (np.full((1, 1, 3), 7, np.uint8), "HWC", (1, 1, 3)),
        (np.full((1, 9, 1), 7, np.uint8), "CHW", (9, 1, 3)),
        (np.full((6, 5, 3), 7 * 257, np.uint16), None, (6, 5, 3)),
        (np.full((6, 5, 3), 7 / 255, np.float64), None, (6, 5, 3)),
        (np.full((6, 5, 3), 7 / 255, np.float16), None, (6, 5, 3)),
        (np.full((5, 6, 4), 7, np.uint8), None, (5, 6, 3)),
    ],
)
def test_arrays(array, layout, expected):
    if array.shape[-1] == 4:
        array[..., 3] = 255
    loaded = load_image(array, layout=layout)
    assert loaded.pixels.shape == expected
    assert (loaded.pixels == 7).all()
    assert loaded.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("array", "layout", "error", "says"),
    [
        (np.zeros((3, 5, 3), np.uint8), None, BadEncoding, "pass layout="),
        (np.zeros((1, 1, 3), np.uint8), None, BadEncoding, "pass layout="),
        (np.zeros((5, 5, 7), np.uint8), None, BadEncoding, "no axis of 1 to 4"),
        (np.zeros((5, 5, 7), np.uint8), "HWC", BadEncoding, "7 channels"),
        (np.zeros((1, 4, 4, 3), np.uint8), None, BadEncoding, "one picture at a time"),
        (np.zeros((4, 4), np.uint8), "HWC", InvalidArgument, "does not fit"),
        (np.zeros((4, 4), np.uint8), "WH", InvalidArgument, "does not fit"),
        (np.zeros((0, 4, 3), np.uint8), None, EmptyMedia, "no pixels"),
        (np.zeros((4, 4), np.int64), None, BadEncoding, "int64"),
        (np.array([["a", "b"]]), None, BadEncoding, "dtype"),
        (np.array([[None, 1]]), None, BadEncoding, "object"),
        (np.full((4, 4), np.nan), None, NonFiniteSamples, "[0, 0"),
        (np.full((4, 4), -1.8), None, BadEncoding, "normalised already"),
        (np.full((4, 4), 200.0), None, BadEncoding, "0..1"),
    ],
)
def test_wrong_arrays_are_typed_errors(array, layout, error, says):
    with pytest.raises(error) as caught:
        load_image(array, layout=layout)
    assert says in str(caught.value)
    assert caught.value.modality == "image"


# ---- broken and hostile files (rows 35 to 51 of the list of bad inputs)


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


JPEG, PNG = encoded(scene(), "JPEG"), encoded(scene(), "PNG")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyMedia),
        (bytes(range(7, 200)), UnsupportedFormat),
        (JPEG[: len(JPEG) // 2], TruncatedMedia),
        (JPEG[:20], CorruptMedia),
        (PNG[: len(PNG) // 2], TruncatedMedia),
        (PNG[:60] + b"\0\1\2\3" + PNG[64:], CorruptMedia),
        (png_header(50_000, 50_000), (DecodedTooLarge, TruncatedMedia)),
        (encoded(Image.new("1", (9_000, 9_000)), "PNG"), DecodedTooLarge),
        (png_header(0, 0), CorruptMedia),
        (b"<!DOCTYPE html><html>not found</html>", UnsupportedFormat),
    ],
    ids=["empty", "noise", "half JPEG", "JPEG head", "half PNG", "bad CRC", "huge", "bomb", "0 x 0", "HTML"],
)
def test_broken_files(data, error):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning on stderr is not an answer either
        with pytest.raises(error) as caught:
            load_image(data)
    message = str(caught.value)
    assert "0x" not in message, "no memory address"
    assert caught.value.modality == "image"


def test_budget_is_the_callers():
    limits = replace(media.LIMITS, max_pixels=100)
    for source in (encoded(noise(11, 10), "PNG"), Image.fromarray(noise(11, 10)), noise(11, 10)):
        with pytest.raises(DecodedTooLarge):
            load_image(source, limits=limits)
    assert load_image(noise(10, 10), limits=limits).height == 10


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_damaged_files_give_a_picture_or_a_typed_error(form, data):
    whole = bytearray(encoded(scene(24, 32), form))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = load_image(bytes(whole)).pixels
    except MediaError:
        return
    assert pixels.ndim == 3
    assert pixels.dtype == np.uint8


# ---- resizing

SIZES = st.integers(1, 70)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, st.sampled_from(["nearest", "bilinear", "bicubic"]), st.booleans())
def test_resize_by_matrix_is_torchs_resize(h, w, new_h, new_w, method, antialias):
    pixels = noise(h, w, seed=h * 71 + w)
    np.testing.assert_array_equal(
        resize_by_matrix(pixels, (new_h, new_w), method, antialias),
        resize(pixels, (new_h, new_w), method, antialias),
    )


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, st.sampled_from(["bilinear", "bicubic"]), st.booleans())
def test_resize_matrix_is_torchs_float_interpolation(old, new, method, antialias):
    # Two columns: torch 2.13 repeats the first row of a single float column when it enlarges with antialias.
    columns = torch.from_numpy(noise(old, 2)).permute(2, 0, 1)[None].float()
    theirs = torch.nn.functional.interpolate(columns, (new, 2), mode=method, antialias=antialias)
    ours = image.resize_matrix(old, new, method, antialias) @ noise(old, 2)[:, 0].astype(float)
    # Values reach 255 and overshoot; float32 coordinates and sums leave 1e-3.
    np.testing.assert_allclose(ours.T, theirs[0, ..., 0].numpy(), atol=2e-3)


@pytest.mark.parametrize(("method", "number"), [("bilinear", 2), ("bicubic", 3)])
@pytest.mark.parametrize("axis", [0, 1])
def test_resize_is_pillows_to_one_grey_level_an_axis(axis, method, number):
    # One axis at a time: which axis Pillow 13 does first depends on the sizes.
    pixels = noise(40, 50)
    for new in (1, 7, 31, 77):
        size = (new, 50) if axis == 0 else (40, new)
        theirs = np.asarray(Image.fromarray(pixels).resize(size[::-1], number)).astype(int)
        assert np.abs(resize(pixels, size, method) - theirs).max() <= 1


def test_antialias_reads_every_pixel_and_its_absence_does_not():
    for method in ("bilinear", "bicubic"):
        assert (image.resize_matrix(64, 8, method).sum(axis=0) > 0.01).all()
        assert (image.resize_matrix(64, 8, method, antialias=False) == 0).all(axis=0).any()


# ---- smart_resize


def test_smart_resize_rounds_half_to_even():
    """The trap: 70 / 28 = 2.5 goes down to 2, 42 / 28 = 1.5 goes up to 2; half-up would give 3 and 2."""
    # large enough that no limit interferes
    sizes = [(28 * 10 + 14, 280), (28 * 11 + 14, 280), (28 * 12 + 14, 280)]
    assert [smart_resize(*size)[0] // 28 for size in sizes] == [10, 12, 12]
    assert smart_resize(126, 70) == (112, 56)
    assert smart_resize(70, 70) == (56, 56)


@settings(deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([28, 32]))
def test_smart_resize_equals_transformers(height, width, factor):
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize as theirs

    for low, high in ((56 * 56, 1280 * 28 * 28), (3136, 12_845_056), (65_536, 200_000)):
        try:
            expected = theirs(height, width, factor, low, high)
        except ValueError:
            with pytest.raises(LimitExceeded):
                smart_resize(height, width, factor, low, high)
        else:
            assert smart_resize(height, width, factor, low, high) == expected


def test_no_pixels_no_size():
    for recipe in (QWEN2_VL, CLIP, SIGLIP):
        with pytest.raises(EmptyMedia):
            image.target_size(0, 5, recipe)


# ---- normalise and patches


def test_normalize_by_hand():
    """0, half and full, with ImageNet's red: (x / 255 - 0.485) / 0.229."""
    z = image.normalize(np.uint8([[[0, 0, 0], [51, 51, 51], [255, 255, 255]]]), IMAGENET_MEAN, IMAGENET_STD)
    np.testing.assert_allclose(z[0, :, 0], [-0.485 / 0.229, (0.2 - 0.485) / 0.229, 0.515 / 0.229], rtol=1e-6)


@pytest.mark.parametrize("recipe", [IMAGENET, CLIP, SIGLIP], ids=lambda recipe: recipe.name)
def test_denormalize_returns_every_byte(recipe):
    every = np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3))
    z = image.normalize(every, recipe.mean, recipe.std)
    np.testing.assert_array_equal(image.denormalize(z, recipe.mean, recipe.std), every)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_unpatchify_inverts_patchify(t, gh, gw, merge, patch):
    side = merge * patch
    frames = np.random.default_rng(0).integers(0, 256, (2 * t, gh * side, gw * side, 3), dtype=np.uint8)
    patches, grid = patchify(frames, patch, merge, 2)
    assert grid == (t, gh * merge, gw * merge)
    np.testing.assert_array_equal(unpatchify(patches, grid, patch, merge, 2), frames)


def test_an_odd_number_of_frames_repeats_the_last():
    frames = noise(4, 4, channels=3)[None] + np.arange(3, dtype=np.uint8)[:, None, None, None]
    patches, grid = patchify(frames, patch=2, merge=2, temporal_patch=2)
    assert grid == (2, 2, 2)
    restored = unpatchify(patches, grid, 2, 2, 2)
    np.testing.assert_array_equal(restored, frames[[0, 1, 2, 2]])


def test_sizes_off_the_grid_are_refused():
    with pytest.raises(InvalidArgument, match="multiple of 28"):
        patchify(noise(30, 28))
    with pytest.raises(InvalidArgument, match="do not fill"):
        unpatchify(np.zeros((3, 1176)), (1, 2, 2))


@pytest.mark.parametrize(("size", "crop"), [((300, 224), 224), ((225, 224), 224), ((5, 9), 7), ((4, 4), 7)])
def test_center_crop_equals_transformers(size, crop):
    from transformers import CLIPImageProcessor
    from transformers.image_utils import SizeDict

    theirs = CLIPImageProcessor().center_crop(
        torch.from_numpy(noise(*size)).permute(2, 0, 1), SizeDict(height=crop, width=crop)
    )
    np.testing.assert_array_equal(image.center_crop(noise(*size), crop, crop), theirs.permute(1, 2, 0).numpy())


# ---- features: bit for bit


def random_sizes(count, longest, seed=4):
    rng = np.random.default_rng(seed)
    fixed = [(1, 1), (1, 7), (7, 1), (14, 42), (28, 28), (56, 56), (70, 70), (126, 70), (224, 224), (199, 1)]
    drawn = np.exp(rng.uniform(np.log(4), np.log(longest), (count - len(fixed), 2))).astype(int)
    ratio = drawn.max(axis=1) / drawn.min(axis=1)
    sizes = fixed + [tuple(int(side) for side in size) for size in drawn[ratio < 190]]
    assert len(sizes) >= 300
    return sizes


@pytest.fixture(scope="module")
def processors():
    from transformers import CLIPImageProcessor, Qwen2VLImageProcessor, SiglipImageProcessor

    imagenet = {"resample": 2, "image_mean": list(IMAGENET_MEAN), "image_std": list(IMAGENET_STD)}
    qwen3 = {"patch_size": 16, "image_mean": list(HALF), "image_std": list(HALF)}
    return {
        "qwen2-vl": (QWEN2_VL, Qwen2VLImageProcessor()),
        "qwen3-vl": (
            QWEN3_VL,
            Qwen2VLImageProcessor(size={"shortest_edge": 65_536, "longest_edge": 16_777_216}, resample=3, **qwen3),
        ),
        "clip": (CLIP, CLIPImageProcessor()),
        "siglip": (SIGLIP, SiglipImageProcessor()),
        "imagenet": (IMAGENET, CLIPImageProcessor(size={"shortest_edge": 256}, **imagenet)),
    }


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen3-vl", "clip", "siglip", "imagenet"])
def test_float_features_equal_transformers_on_300_sizes(family, processors):
    recipe, processor = processors[family]
    for size in random_sizes(320, 500 if family != "qwen3-vl" else 300):
        pixels = noise(*size)
        theirs = processor(pixels, input_data_format="channels_last", return_tensors="pt")
        ours = features(pixels, recipe)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert torch.equal(value, theirs[name]), (size, name)


def test_uint8_features_are_the_floats_before_normalising():
    pixels = noise(60, 90)
    for recipe in (QWEN2_VL, CLIP, SIGLIP):
        raw, ready = (features(pixels, recipe, dtype)["pixel_values"].numpy() for dtype in ("uint8", "float32"))
        assert raw.dtype == np.uint8
        if recipe is QWEN2_VL:
            raw, ready = raw.reshape(len(raw), 3, -1), ready.reshape(len(raw), 3, -1)
        np.testing.assert_array_equal(image.normalize(raw, recipe.mean, recipe.std, axis=1), ready)


def test_views_and_read_only_arrays_are_taken_without_a_warning():
    pixels = noise(40, 60)
    locked = pixels.copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (locked, pixels[::-1][::-1], np.asfortranarray(pixels)):
            np.testing.assert_array_equal(resize(same, (20, 20)), resize(pixels, (20, 20)))


def test_features_refuse_what_is_no_picture():
    for wrong in (noise(4, 4).astype(np.float32), noise(4, 4)[..., 0], noise(4, 4, channels=4)):
        with pytest.raises(BadEncoding, match="load_image"):
            features(wrong, CLIP)
    with pytest.raises(InvalidArgument, match="float16"):
        features(noise(4, 4), CLIP, "float16")
