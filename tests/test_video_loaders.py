"""Who samples a video in vLLM: what lesson 04 says of each model's loader.  Oracle: vLLM's own register."""

from __future__ import annotations

import pytest

from mmkit.video import sample_by_count, sample_by_rate

LOADERS = {  # video processor of the model -> (loader, how it is called by default, number, first four indices)
    "Qwen2VLVideoProcessor": ("qwen2_vl", {"fps": 2, "num_frames": -1}, 24, [0, 12, 25, 37]),
    "Qwen3VLVideoProcessor": ("qwen3_vl", {"fps": 2, "num_frames": -1}, 24, [0, 13, 26, 39]),
    "Glm4vVideoProcessor": ("opencv_dynamic", {"fps": 2, "num_frames": -1}, 24, [0, 13, 25, 38]),
    None: ("opencv", {"fps": -1, "num_frames": 32}, 32, [0, 9, 19, 28]),
}


@pytest.fixture(scope="module")
def register():
    return pytest.importorskip("vllm.multimodal.video")


def indices(register, name: str, **target) -> list[int]:
    """What a loader takes of 300 frames, 25 a second."""
    loader = register.VIDEO_LOADER_REGISTRY.load(name)
    source = register.VideoSourceMetadata(300, 25.0, 12.0)
    wanted = register.VideoTargetMetadata(max_duration=300, **target)
    return list(loader.compute_frames_index_to_sample(source, wanted))


@pytest.mark.parametrize("processor", LOADERS)
def test_each_model_has_the_loader_and_the_frames_of_the_lesson(register, processor):
    name, target, number, first = LOADERS[processor]
    assert processor is None or register.get_video_loader_backend_for_processor(processor) == name
    found = indices(register, name, **target)
    assert (len(found), found[:4]) == (number, first)


def test_molmo2_has_its_own(register):
    assert register.get_video_loader_backend_for_processor("Molmo2VideoProcessor") == "molmo2"


def test_the_rules_of_mmkit_are_those_of_the_loaders(register):
    assert sample_by_rate(300, 25, 2).tolist() == indices(register, "qwen2_vl", fps=2, num_frames=-1)
    assert sample_by_count(300, 32).tolist() == indices(register, "opencv", fps=-1, num_frames=32)
