"""The tables of notebook 08, looked up in the vLLM that is installed; and who knows a model that was registered.

Oracle: vLLM itself. A name that the lesson calls gone must be gone, one that it recommends must be there, and a
source file that it points to must hold what it is named for.
"""

from __future__ import annotations

import functools
import importlib
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "08_register_a_model.ipynb"
# Where a name without its module is looked for.
PLACES = (
    "vllm.inputs",
    "vllm.multimodal",
    "vllm.multimodal.inputs",
    "vllm.multimodal.parse",
    "vllm.multimodal.processing",
    "vllm.model_executor.models.interfaces",
    "vllm.model_executor.models.interfaces:SupportsMultiModal",
    "vllm.model_executor.models.utils",
)


def table(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its two head lines."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (text,) = [
        c.source for c in cells if c.cell_type == "markdown" and re.search(rf"^#+ {heading}", c.source, re.M)
    ]
    rows = re.findall(r"^\|(.+)\|$", re.split(rf"^#+ {heading}", text, flags=re.M)[1].split("\n#")[0], re.M)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


def exists(name: str) -> bool:
    """Does vLLM have this name?  `a.b.C`, `Class.method`, `@REGISTRY.decorator(...)` or a bare one."""
    name = re.sub(r"\(.*", "", name).lstrip("@")
    if name.startswith("vllm."):
        module, _, last = name.rpartition(".")
        try:
            return hasattr(importlib.import_module(module), last)
        except ImportError:
            return False
    for place in PLACES:
        module, _, inside = place.partition(":")
        found = importlib.import_module(module)
        found = getattr(found, inside) if inside else found
        missing = object()
        if (
            functools.reduce(lambda value, part: getattr(value, part, missing), name.split("."), found)
            is not missing
        ):
            return True
    return False


@pytest.fixture(scope="module", autouse=True)
def _vllm():
    from mmkit.engine import suppress_output

    with suppress_output():
        for place in PLACES:
            importlib.import_module(place.partition(":")[0])


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


OLD = table("Old guides")
DESIGNS = table("9 · If your design")


def test_the_tables_were_found():
    assert len(OLD) == 16
    assert len(DESIGNS) == 9


@pytest.mark.parametrize("row", [row for row in OLD if row[0].startswith("`") and "forward" not in row[0]], ids=str)
def test_old_names_are_gone(row):
    assert not exists(names(row[0])[0])


@pytest.mark.parametrize("row", [row for row in OLD if names(row[1])], ids=str)
def test_new_names_are_there(row):
    for name in names(row[1]):
        assert any(
            exists(each) for each in (name, f"BaseMultiModalProcessor.{name}", f"MULTIMODAL_REGISTRY.{name}")
        ), name


def test_the_look_up_can_tell():
    assert exists("BaseProcessingInfo.get_data_parser")
    assert not exists("BaseProcessingInfo.get_nothing")
    assert not exists("vllm.nothing.Nobody")


def test_a_string_as_target_never_matches():
    from vllm.multimodal.processing import PromptReplacement
    from vllm.multimodal.processing.processor import apply_token_matches

    for target, result in ((["7"], [7, 8]), ([7], [9, 9, 8])):
        update = PromptReplacement("image", "".join(target) if target == ["7"] else target, [9, 9])
        assert apply_token_matches([7, 8], {"image": [[update.resolve(0)]]})[0] == result


def test_forward_takes_merged_rows():
    """`pixel_values` went from forward to embed_multimodal: shown by a model of vLLM's own."""
    import inspect

    from vllm.model_executor.models.llava import LlavaForConditionalGeneration as Llava

    assert "pixel_values" not in inspect.signature(Llava.forward).parameters
    assert "inputs_embeds" in inspect.signature(Llava.forward).parameters


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("qwen2_vl.py", "flat_from_sizes"),
        ("qwen2_vl.py", "get_mrope_input_positions"),
        ("gemma3_mm.py", "select_token_id"),
        ("whisper.py", "create_encoder_prompt"),
        ("clip.py", "QKVParallelLinear"),
        ("registry.py", "TransformersMultiModalForCausalLM"),
    ],
)
def test_the_files_hold_what_the_lesson_says(file, what):
    import vllm.model_executor.models

    assert what in (Path(vllm.model_executor.models.__path__[0]) / file).read_text("utf-8")
    if file != "registry.py":
        assert any(file in row[2] and what in row[1] for row in DESIGNS), (
            f"the table does not name {what} in {file}"
        )


SPAWNED = """
from vllm import ModelRegistry
from vllm.plugins import load_general_plugins

load_general_plugins()
load_general_plugins()
known = ModelRegistry.get_supported_archs()
print("OmniForConditionalGeneration" in known, "OnlyHere" in known)
print(ModelRegistry.models["OmniForConditionalGeneration"].load_model_cls().__module__)
"""


def test_another_process_knows_a_plug_in_and_no_class_object(tmp_path):
    """The table of section 6: what a process that begins empty, in another folder, knows."""
    from torch import nn
    from vllm import ModelRegistry

    class OnlyHere(nn.Module):
        pass

    ModelRegistry.register_model("OnlyHere", OnlyHere)
    assert "OnlyHere" in ModelRegistry.get_supported_archs()
    run = subprocess.run([sys.executable, "-c", SPAWNED], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.splitlines()[-2:] == ["True False", "mmkit.models.omni.realtime"], run.stderr[-2000:]
