"""Tokens: costs from sizes, and the inverse.

Oracles: transformers' get_number_of_image_patches on 2,000 sizes, files encoded by Pillow, and for the inverse a
search over scales. vLLM is the oracle of test_image_vllm.py.
"""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmkit import tokens
from mmkit.errors import LimitExceeded, MediaError, ModelNotFound
from mmkit.recipes import CLIP, IMAGENET, QWEN2_VL, QWEN2_VL_2B_INSTRUCT, QWEN3_VL, SIGLIP
from mmkit.sizes import SmartResize
from mmkit.tokens import fit_tokens, image_tokens, seen_size


def random_sizes(count, seed=7):
    drawn = np.exp(np.random.default_rng(seed).uniform(np.log(8), np.log(6000), (2 * count, 2))).astype(int)
    legal = drawn[drawn.max(axis=1) / drawn.min(axis=1) < 200][:count]
    assert len(legal) == count
    return legal.tolist()


@pytest.mark.parametrize("limits", [None, (3136, 12_845_056), (50_000, 60_000), (1, 100_000), (784, 784)])
def test_image_tokens_equal_transformers_on_2000_sizes(limits):
    from transformers import Qwen2VLImageProcessor

    processor = Qwen2VLImageProcessor()
    recipe, options = QWEN2_VL, {}
    if limits:
        recipe = replace(QWEN2_VL, resize=SmartResize(*limits))
        options = {"min_pixels": limits[0], "max_pixels": limits[1]}
    for height, width in random_sizes(2000):
        patches = processor.get_number_of_image_patches(height, width, options)
        assert image_tokens(height, width, recipe) == patches // 4, (height, width)


def test_numbers_worth_remembering():
    """A full HD frame, a phone photo and a thumbnail, by hand: 728 x 1316 / 28^2 = 26 x 47 = 1222."""
    sizes = [(1080, 1920), (4000, 6000), (70, 70)]
    assert [image_tokens(*size, QWEN2_VL) for size in sizes] == [1222, 1247, 4]
    assert [image_tokens(*size, QWEN2_VL_2B_INSTRUCT) for size in sizes] == [2691, 16224, 4]
    assert [image_tokens(*size, CLIP) for size in sizes] == [50, 50, 50]
    assert image_tokens(1080, 1920, SIGLIP) == 196
    assert image_tokens(1080, 1920, IMAGENET) == 197


def best_by_search(height, width, budget, recipe):
    """The most tokens that any scale of this shape reaches within the budget; None where none does."""
    cell, costs = recipe.patch * recipe.merge, []
    for scale in np.geomspace(1.01 / min(height, width), 1, 1500):  # sides are not rounded to pixels
        h, w = recipe.resize.target_size(height * scale, width * scale)
        costs.append(h * w // cell**2)
    return max((cost for cost in costs if cost <= budget), default=None)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(500, 4000),
    st.floats(0.02, 1),
    st.integers(1, 1500),
    st.sampled_from([QWEN2_VL, QWEN2_VL_2B_INSTRUCT, QWEN3_VL]),
    st.booleans(),
)
def test_fit_tokens_fits_and_nothing_larger_does(long, ratio, budget, recipe, upright):
    size = (long, max(1, round(long * ratio)))
    height, width = size if upright else size[::-1]
    own = image_tokens(height, width, recipe)
    best = own if own <= budget else best_by_search(height, width, budget, recipe)
    try:
        fitted = fit_tokens(height, width, budget, recipe)
    except LimitExceeded:
        fitted = None
    if fitted is None:
        assert best is None
        return
    assert image_tokens(*fitted, recipe) <= budget
    assert seen_size(*fitted, recipe) == fitted, "resizing to it is the last resize"
    assert image_tokens(*fitted, recipe) >= (best or 0)


def test_fit_tokens_keeps_what_fits_and_names_the_least_cost():
    assert fit_tokens(1080, 1920, 10_000, QWEN2_VL) == (728, 1316)
    with pytest.raises(LimitExceeded, match="at least 4 tokens"):
        fit_tokens(500, 500, 3, QWEN2_VL)
    with pytest.raises(LimitExceeded, match="50 tokens of this picture"):
        fit_tokens(500, 500, 49, CLIP)
    assert fit_tokens(500, 700, 50, CLIP) == (224, 224)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_cost_of_a_file_comes_from_its_header(form):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: seen as 90 wide and 200 high
    buffer = io.BytesIO()
    options = {"exif": exif} if form not in ("GIF", "BMP") else {}
    Image.new("RGB", (200, 90)).save(buffer, form, **options)
    seen = (90, 200) if form in ("GIF", "BMP") else (200, 90)
    found = tokens.cost(buffer.getvalue())
    assert (found.modality, found.tokens) == ("image", image_tokens(*seen, QWEN2_VL))
    assert found.size == seen_size(*seen, QWEN2_VL)
    assert tokens.cost(buffer.getvalue(), "clip").tokens == 50


def test_cost_errors_are_typed():
    with pytest.raises(MediaError):
        tokens.cost(b"nothing")
    buffer = io.BytesIO()
    Image.new("L", (2010, 10)).save(buffer, "PNG")
    with pytest.raises(LimitExceeded, match="more than 200 times"):
        tokens.cost(buffer.getvalue())
    with pytest.raises(ModelNotFound):
        tokens.cost(buffer.getvalue(), "no-such-recipe")


def test_the_verb(tmp_path, capsys):
    from typer.testing import CliRunner

    from mmkit.cli import app

    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not a picture")
    Image.new("RGB", (1920, 1080)).save(tmp_path / "c.jpg")
    files = [str(tmp_path / name) for name in ("c.jpg", "a.png")]
    run = CliRunner().invoke(app, ["tokens", *files, "--json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout) == [
        {"source": files[0], "modality": "image", "tokens": 1222, "size": [728, 1316]},
        {"source": files[1], "modality": "image", "tokens": 391, "size": [476, 644]},
    ]
    run = CliRunner().invoke(app, ["tokens", str(tmp_path / "b.png"), *files, "--json", "--recipe", "clip"])
    assert run.exit_code == 1, "one bad file among good ones"
    rows = json.loads(run.stdout)
    assert rows[0]["error"]["type"] == "UnsupportedFormat"
    assert [row["tokens"] for row in rows[1:]] == [50, 50]
    run = CliRunner().invoke(app, ["tokens", *files, "--fit", "300"])
    assert run.exit_code == 0
    assert "364 x 644" in run.stdout
