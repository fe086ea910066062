"""Our own architecture: the transformers side against plain arithmetic, and refusals before any engine.

Oracles: Qwen2-VL's vision tower and Qwen2-Audio's encoder in transformers, whose formulas the towers follow.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit.errors import LimitExceeded, PlaceholderMismatch
from mmkit.models.omni import example, parity
from mmkit.models.omni.configuration import OmniConfig
from mmkit.models.omni.processing import expand
from mmkit.preprocessor import Embedding, MultiModalPreprocessor, MultiModalSample
from mmkit.recipes import recipe_for
from mmkit.tokens import audio_seconds, audio_tokens, image_tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("omni") / "random-omni"
    example.make_example(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def preprocessor(folder):
    return MultiModalPreprocessor(folder, max_items={"image": 2, "audio": 2})


def picture(seed=0, size=(90, 130)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


def wave(samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def test_a_saved_model_comes_back_with_the_same_weights(folder, loaded):
    config = loaded[0].config
    fresh = example.make_model(config, seed=0)
    ours, theirs = loaded[0].state_dict(), fresh.state_dict()
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0)
    assert (folder / "model.safetensors").stat().st_size < 6_500_000


@pytest.mark.parametrize("samples", [160, 161, 640, 641, 1280, 16_000, 79_999, 80_000])
def test_tokens_of_a_clip(loaded, samples):
    """The processor's count, the config's formula, mmkit's recipe and the tower's rows are one number."""
    model, processor = loaded
    made = processor(text="<|audio|>?", audio=[wave(samples)])
    rows = model.encode_audio(made["input_features"], made["audio_frames"])[0]
    placeholders = int((made["input_ids"] == model.config.audio_token_id).sum())
    recipe = recipe_for(model.name_or_path, "audio")
    assert len(rows) == placeholders == audio_tokens(samples, recipe) == -(-samples // 640)
    assert model.config.audio_tokens(int(made["audio_frames"][0])) == placeholders


@pytest.mark.parametrize("size", [(1, 1), (28, 300), (112, 112), (500, 20)])
def test_tokens_of_a_picture(loaded, size):
    model, processor = loaded
    made = processor(text="<|image|>?", images=[picture(size=size)])
    placeholders = int((made["input_ids"] == model.config.image_token_id).sum())
    assert placeholders == image_tokens(*size, recipe_for(model.name_or_path)) == model.config.image_tokens == 16
    assert model.image_tower(made["pixel_values"]).shape == (1, 16, 128)


def test_budget_in_seconds_is_the_inverse_of_the_count(loaded):
    recipe = recipe_for(loaded[0].name_or_path, "audio")
    for tokens in (1, 7, 124):
        seconds = audio_seconds(tokens, recipe)
        assert audio_tokens(round(seconds * 16_000), recipe) == tokens
        assert audio_tokens(round(seconds * 16_000) + 1, recipe) == tokens + 1


def test_padding_beside_a_longer_clip_changes_nothing(loaded):
    """Two clips of unequal length, together and alone."""
    model, processor = loaded
    waves = [wave(5_000, 1), wave(40_000, 2)]
    both = processor(audio=waves)
    for together, alone in zip(model.encode_audio(**both), waves, strict=True):
        torch.testing.assert_close(together, model.encode_audio(**processor(audio=[alone]))[0], rtol=0, atol=1e-5)


def test_items_stand_where_their_placeholders_stand(loaded):
    """Swapping two pictures changes the answer; swapping them and handing over swapped embeddings does not."""
    model, processor = loaded
    first, second = picture(1), picture(2)
    text = "<|image|> what <|image|> is it ?"
    with torch.inference_mode():
        made = processor(text=text, images=[first, second])
        swapped = processor(text=text, images=[second, first])
        embeds = model.image_tower(made["pixel_values"])
        plain = model(**made).logits
        assert (plain - model(**swapped).logits).abs().max() > 0.1
        ids = made["input_ids"]
        torch.testing.assert_close(model(input_ids=ids, image_embeds=embeds.flatten(0, 1)).logits, plain)


def test_generation_with_a_cache_equals_the_whole_forward(loaded):
    """Greedy tokens by `generate` are the argmax of one forward over prompt and answer."""
    model, processor = loaded
    for question, said in zip(
        parity.questions(4), parity.ask_transformers(model.name_or_path, parity.questions(4)), strict=True
    ):
        made = processor(images=question.images, text=question.prompt, audio=question.waves)
        ids = torch.cat((made["input_ids"], torch.tensor([said.tokens])), 1)
        with torch.inference_mode():
            items = {k: v for k, v in made.items() if k not in ("input_ids", "attention_mask")}
            logits = model(input_ids=ids, **items).logits[0]
        at = made["input_ids"].shape[1] - 1
        assert logits[at:-1].argmax(-1).tolist() == list(said.tokens)


def test_angles_are_qwen2_vls():
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel
    from transformers.vision_utils import get_vision_position_ids

    from mmkit.models.omni.towers import grid_angles

    config = Qwen2VLVisionConfig(depth=1, embed_dim=128, hidden_size=128, num_heads=4, spatial_merge_size=1)
    theirs = Qwen2VisionTransformerPretrainedModel(config).rotary_pos_emb(
        torch.zeros(1), get_vision_position_ids(torch.tensor([[1, 8, 8]]), 1)
    )
    for a, b in zip(grid_angles(8, 32, torch.device("cpu")), theirs, strict=True):
        torch.testing.assert_close(a, b.float(), rtol=0, atol=1e-6)


def test_sines_are_whispers():
    from transformers.models.whisper.modeling_whisper import sinusoids

    from mmkit.models.omni.towers import sines

    torch.testing.assert_close(sines(50, 128, torch.device("cpu")), 0.3 * sinusoids(50, 128), rtol=0, atol=1e-6)


def test_expand_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="1 placeholders <a> in the text for 2 items"):
        expand("<a>", {"<a>": [1, 2]})
    with pytest.raises(ValueError, match="1 placeholders <b>"):
        expand("<b>", {"<a>": [], "<b>": []})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"audio": [wave(100)]}, "100 samples are too short"),
        ({"audio": [wave(80_001)]}, "too long"),
        ({"audio": [wave(1_000)], "sampling_rate": 8_000}, "resample"),
        ({"audio": [np.zeros((2, 1_000), np.float32)]}, "one channel"),
    ],
)
def test_the_processor_refuses_with_the_remedy(loaded, given, message):
    with pytest.raises(ValueError, match=message):
        loaded[1](**given)


def test_wrong_use_is_told_before_an_engine_is_there(preprocessor):
    """A modality that the model lacks, too many items, embeddings of a wrong width, a clip too long."""
    ready = preprocessor.to_prompt
    with pytest.raises(LimitExceeded, match="takes no video"):
        ready(MultiModalSample("?", videos=(np.zeros((2, 28, 28, 3), np.uint8),)))
    with pytest.raises(LimitExceeded, match="at most 2 allowed"):
        ready(MultiModalSample("?", images=(picture(),) * 3))
    with pytest.raises(PlaceholderMismatch, match="64 wide"):
        ready(MultiModalSample("?", images=(Embedding(torch.zeros(16, 64)),)))
    with pytest.raises(PlaceholderMismatch, match=r"15 embeddings; recipe .* makes 16"):
        ready(MultiModalSample("?", images=(Embedding(torch.zeros(15, 128)),)))
    from mmkit.audio import Clip

    with pytest.raises(LimitExceeded, match="hears 5 s"):
        ready(MultiModalSample("?", audios=(Clip(wave(90_000), 16_000),)))


def test_a_sample_becomes_the_processors_own_tensors(preprocessor, loaded):
    from mmkit.audio import Clip

    _, processor = loaded
    images, waves = [picture(3), picture(4)], [wave(9_000, 5), wave(30_000, 6)]
    sample = MultiModalSample("what is it ?", images=images, audios=[Clip(w, 16_000) for w in waves])
    made = preprocessor.preprocess(sample)
    text, _ = preprocessor.render(sample)
    theirs = processor(images=images, text=text, audio=waves)
    torch.testing.assert_close(made["text"]["input_ids"], theirs["input_ids"])
    torch.testing.assert_close(made["image"]["pixel_values"], theirs["pixel_values"], rtol=0, atol=0)
    torch.testing.assert_close(made["audio"]["input_features"][0, :, :60], theirs["input_features"][0, :, :60])
    torch.testing.assert_close(made["audio"]["audio_frames"], theirs["audio_frames"])
    assert preprocessor.cost(sample).total == theirs["input_ids"].shape[1]


def test_the_config_survives_json(tmp_path):
    config = OmniConfig(text_config={"hidden_size": 64}, heads=2)
    config.save_pretrained(tmp_path)
    again = OmniConfig.from_pretrained(tmp_path)
    assert (again.heads, again.text_config.hidden_size, again.image_tokens) == (2, 64, 16)
