"""Recipes: presets and what a model directory says of itself.

Oracle: transformers' own processors, saved to a directory in the new nested form and written by hand in the old
stand-alone form; the numbers of published checkpoints as their files state them.
"""

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from mmkit.errors import ModelError, ModelNotFound
from mmkit.recipes import (
    CLIP,
    CLIP_MEAN,
    CLIP_STD,
    HALF,
    IMAGE_PRESETS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    QWEN2_VL,
    QWEN2_VL_2B_INSTRUCT,
    QWEN2_VL_VIDEO,
    QWEN3_VL,
    QWEN3_VL_VIDEO,
    SIGLIP,
    VIDEO_PRESETS,
    recipe_for,
)
from mmkit.sizes import SmartResize


def write(folder, **files):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder


def test_statistics_are_transformers():
    from transformers import image_utils

    assert tuple(image_utils.OPENAI_CLIP_MEAN) == CLIP_MEAN
    assert tuple(image_utils.OPENAI_CLIP_STD) == CLIP_STD
    assert tuple(image_utils.IMAGENET_DEFAULT_MEAN) == IMAGENET_MEAN
    assert tuple(image_utils.IMAGENET_DEFAULT_STD) == IMAGENET_STD
    assert tuple(image_utils.IMAGENET_STANDARD_MEAN) == HALF == tuple(image_utils.IMAGENET_STANDARD_STD)


@pytest.mark.parametrize(
    ("name", "preset"),
    [("Qwen2VLImageProcessor", QWEN2_VL), ("CLIPImageProcessor", CLIP), ("SiglipImageProcessor", SIGLIP)],
)
def test_a_saved_class_default_is_the_preset(name, preset, tmp_path):
    import transformers

    getattr(transformers, name)().save_pretrained(tmp_path)
    assert recipe_for(tmp_path) == replace(preset, name=tmp_path.name)


def test_a_saved_processor_is_read_from_its_nested_file(tmp_path):
    from mmkit.zoo.vision.model import MAX_PIXELS, MIN_PIXELS, build_processor, train_tokenizer

    build_processor(train_tokenizer()).save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    recipe = recipe_for(tmp_path)
    assert recipe.resize == SmartResize(MIN_PIXELS, MAX_PIXELS)
    assert (recipe.patch, recipe.merge, recipe.temporal_patch) == (14, 2, 2)
    assert recipe_for(tmp_path, "video").max_pixels == MAX_PIXELS


@pytest.mark.parametrize(
    ("name", "preset"),
    [("Qwen2VLVideoProcessor", QWEN2_VL_VIDEO), ("Qwen3VLVideoProcessor", QWEN3_VL_VIDEO)],
)
def test_video_class_defaults(name, preset, tmp_path):
    import transformers

    getattr(transformers, name)().save_pretrained(tmp_path)
    assert recipe_for(tmp_path, "video") == replace(preset, name=tmp_path.name)


def test_published_qwen2_vl_2b_instruct(tmp_path):
    """Its file, as published, says min_pixels and max_pixels and one class for images and video."""
    published = {
        "min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": list(CLIP_MEAN), "image_std": list(CLIP_STD),
        "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor",
    }  # fmt: skip
    write(tmp_path, preprocessor_config=published)
    assert recipe_for(tmp_path) == replace(QWEN2_VL_2B_INSTRUCT, name=tmp_path.name)
    assert recipe_for(tmp_path, "video").max_pixels == 12_845_056


def test_published_qwen3_vl(tmp_path):
    published = {
        "size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2,
        "merge_size": 2, "image_mean": list(HALF), "image_std": list(HALF),
        "image_processor_type": "Qwen2VLImageProcessorFast",
    }  # fmt: skip
    write(tmp_path, preprocessor_config=published)
    assert recipe_for(tmp_path) == replace(QWEN3_VL, name=tmp_path.name)


def test_published_clip_of_2021(tmp_path):
    """Sizes as bare numbers, and the class under its old name."""
    published = {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "resample": 3,
        "feature_extractor_type": "CLIPFeatureExtractor", "size": 224,
        "image_mean": list(CLIP_MEAN), "image_std": list(CLIP_STD),
    }  # fmt: skip
    write(tmp_path, preprocessor_config=published, config={"vision_config": {"patch_size": 16}})
    assert recipe_for(tmp_path) == replace(CLIP, name=tmp_path.name, patch=16)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"do_resize": False}, "do_resize"),
        ({"do_normalize": False}, "do_normalize"),
        ({"rescale_factor": 1.0}, "rescale_factor"),
        ({"resample": 4}, "resample 4"),
        ({"image_processor_type": "PixtralImageProcessor"}, "mmkit knows"),
        ({"size": {"height": 224, "width": 336}}, "square"),
    ],
)
def test_what_mmkit_does_not_do_is_refused_not_ignored(change, says, tmp_path):
    base = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "crop_size": 224}
    write(tmp_path, preprocessor_config=base | change)
    with pytest.raises(ModelError, match=says):
        recipe_for(tmp_path)


def test_broken_and_missing_files(tmp_path):
    with pytest.raises(ModelError, match="neither image_processor"):
        recipe_for(tmp_path)
    with pytest.raises(ModelError, match="not readable JSON"):
        recipe_for(write(tmp_path, preprocessor_config="{"))
    with pytest.raises(ModelError, match="expected an object"):
        recipe_for(write(tmp_path, preprocessor_config="[]"))
    with pytest.raises(ModelNotFound, match="qwen2-vl"):
        recipe_for("gwen2-vl")
    with pytest.raises(ModelError, match="modality 'smell'"):
        recipe_for("clip", "smell")


def test_a_downloaded_hub_model_is_found_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    cache = tmp_path / "models--owner--name"
    (cache / "snapshots" / "abc").mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    write(cache / "snapshots" / "abc", preprocessor_config={"image_processor_type": "CLIPImageProcessor"})
    assert recipe_for("owner/name").mean == CLIP_MEAN
    with pytest.raises(ModelNotFound):
        recipe_for("owner/other")


def test_recipes_are_frozen_and_named_as_their_keys():
    assert all(name == recipe.name for name, recipe in (IMAGE_PRESETS | VIDEO_PRESETS).items())
    with pytest.raises(FrozenInstanceError):
        CLIP.patch = 16
