"""The table of prompt formats in notebook 09: every row against the source of the vLLM that is installed.

Oracle: vLLM's model classes (placeholders, modalities, the names of their options) and the configurations that
transformers and vLLM bring themselves (whatever they do not bring needs trust_remote_code). The words of a turn
come from the makers' model cards: no part of vLLM holds them, so here only their form is checked.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "09_ask_about_pictures.ipynb"
MODEL_TYPES = {  # architecture -> model_type of its published config.json
    "Qwen2VLForConditionalGeneration": "qwen2_vl",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_5_vl",
    "Qwen3VLForConditionalGeneration": "qwen3_vl",
    "LlavaForConditionalGeneration": "llava",
    "Phi3VForCausalLM": "phi3_v",
    "Gemma3ForConditionalGeneration": "gemma3",
    "InternVLForConditionalGeneration": "internvl",
    "InternVLChatModel": "internvl_chat",
    "SmolVLMForConditionalGeneration": "smolvlm",
}


def formats() -> dict[str, dict]:
    """The lesson's table: the one cell that defines FORMATS, run by itself."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (source,) = [c.source for c in cells if c.cell_type == "code" and re.search(r"^FORMATS = ", c.source, re.M)]
    names: dict = {}
    exec(source, names)
    return names["FORMATS"]


ROWS = formats()


@pytest.fixture(scope="module")
def classes():
    """architecture -> vLLM's model class."""
    from mmkit.engine import suppress_output

    with suppress_output():
        from vllm.model_executor.models import ModelRegistry

        return {row["architecture"]: _loaded(ModelRegistry, row["architecture"]) for row in ROWS.values()}


def _loaded(registry, architecture: str):
    assert architecture in registry.get_supported_archs()
    return registry.models[architecture].load_model_cls()


def placeholder(model_class, modality: str, number: int) -> str | None:
    try:
        return model_class.get_placeholder_str(modality, number)
    except ValueError:
        return None  # "Only image modality is supported"


def test_table_is_as_wide_as_promised():
    text = " ".join(ROWS)
    for family in ("Qwen2-VL", "Qwen2.5-VL", "Qwen3-VL", "llava-1.5", "Phi-3.5-vision", "gemma-3", "InternVL"):
        assert family in text


@pytest.mark.parametrize("name", ROWS)
def test_image_placeholder(name, classes):
    row = ROWS[name]
    for number in (1, 2, 10):
        ours = row["image"].format(i=number)
        assert ours.strip() == placeholder(classes[row["architecture"]], "image", number)
        assert ours in (ours.strip(), ours.strip() + "\n")


@pytest.mark.parametrize("name", ROWS)
def test_video_placeholder(name, classes):
    row = ROWS[name]
    ours = row["video"] and row["video"].strip()
    assert ours == placeholder(classes[row["architecture"]], "video", 1)


@pytest.mark.parametrize("name", ROWS)
def test_remote_code_where_nobody_else_brings_the_configuration(name):
    from transformers import CONFIG_MAPPING
    from vllm.transformers_utils.config import _CONFIG_REGISTRY

    kind = MODEL_TYPES[ROWS[name]["architecture"]]
    assert ROWS[name]["remote_code"] == (kind not in CONFIG_MAPPING and kind not in _CONFIG_REGISTRY)


def sources(model_class) -> list[str]:
    """The source of the modules in which vLLM defines a model and the processing of its inputs."""
    info = model_class._processor_factory.info  # a class, or the function that chooses one
    kin = [*model_class.__mro__, *getattr(info, "__mro__", [info])]
    modules = {each.__module__ for each in kin if each.__module__.startswith("vllm.model_executor.models.")}
    return [inspect.getsource(sys.modules[module]) for module in sorted(modules)]


@pytest.mark.parametrize("name", ROWS)
def test_option_for_tokens_is_known_to_vllm(name, classes):
    row = ROWS[name]
    option = row["tokens_by"]
    found = [re.search(rf"\b{option}\b", source) for source in sources(classes[row["architecture"]])]
    assert found
    assert option is None or any(found)


@pytest.mark.parametrize("name", ROWS)
def test_any_number_of_images(name, classes):
    limits = re.compile(r"def get_supported_mm_limits.*?return \{\s*\"image\": None", re.S)
    assert any(limits.search(source) for source in sources(classes[ROWS[name]["architecture"]]))


@pytest.mark.parametrize("name", ROWS)
def test_turn_has_one_place_for_images_before_one_for_the_question(name):
    turn = ROWS[name]["turn"]
    assert re.findall(r"\{\w*\}", turn) == ["{images}", "{question}"]
    assert turn.rstrip("\n").lower().endswith(("assistant", "assistant:", "assistant|>", "model"))


def test_a_tampered_row_is_caught(classes):
    assert placeholder(classes["Phi3VForCausalLM"], "image", 1) != "<image_1>"
    assert placeholder(classes["LlavaForConditionalGeneration"], "video", 1) is None
