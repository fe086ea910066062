"""Model names: each way of naming one, and a remedy where there is none."""

from __future__ import annotations

import pytest

from mmkit import shipped
from mmkit.errors import ModelNotFound


def test_a_shipped_name_is_a_folder_of_the_clone():
    assert shipped.resolve("tiny-qwen2-vl").endswith("tiny-qwen2-vl")


def test_a_folder_and_a_hub_name_stay_what_they_are(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert shipped.resolve(tmp_path) == str(tmp_path)
    assert shipped.resolve("Qwen/Qwen2-VL-2B-Instruct") == "Qwen/Qwen2-VL-2B-Instruct"


@pytest.mark.parametrize("name", ["", "tiny-qwen3", "./nowhere", "a/b/c", "../../etc", "x" * 5000, "/"])
def test_nothing_of_that_name(name):
    with pytest.raises(ModelNotFound) as caught:
        shipped.resolve(name)
    assert "tiny-qwen2-vl" in str(caught.value) or "config.json" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ModelNotFound, match="holds no config"):
        shipped.resolve(tmp_path)


def test_mmkit_models_names_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKIT_MODELS", str(tmp_path))
    with pytest.raises(ModelNotFound, match="MMKIT_MODELS"):
        shipped.resolve("tiny-qwen2-vl")
    assert shipped.cards() == []


def test_cards_tell_what_is_measured():
    for card in shipped.cards():
        assert card.megabytes < 6.5, card.name
        assert card.architecture.endswith(("Generation", "Model"))
