"""Samples made ready. Oracles: the model's own processor on the whole sample, and mmkit's formulas."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPImageProcessor, Qwen2VLImageProcessor, SiglipImageProcessor

from mmkit.audio import load_audio
from mmkit.errors import (
    BadEncoding,
    ContextOverflow,
    EmptyMedia,
    InvalidArgument,
    LimitExceeded,
    MmkitError,
    ModelNotFound,
    NonFiniteSamples,
    PlaceholderMismatch,
    SourceNotAllowed,
)
from mmkit.image import load_image
from mmkit.modalities import at_model_size
from mmkit.preprocessor import Embedding, MultiModalPreprocessor, MultiModalSample
from mmkit.recipes import CLIP, QWEN2_VL, SIGLIP, recipe_for
from mmkit.text import clean_text
from mmkit.tokens import seen_size
from mmkit.video import load_video
from tests.media_factory import film, picture, pixels, sound, tone

QUESTION = "What color is the circle?"


@pytest.fixture(scope="module")
def vision():
    return MultiModalPreprocessor("tiny-qwen2-vl", max_items={"image": 8, "video": 2})


@pytest.fixture(scope="module")
def hearing():
    return MultiModalPreprocessor("tiny-qwen2-audio")


@pytest.fixture(scope="module")
def whisper():
    return MultiModalPreprocessor("tiny-whisper")


def other(height: int, width: int) -> Image.Image:
    return Image.fromarray(pixels(height, width))


# ------------------------------------------------------------------------- pictures at the model's own size

SIZED = {
    "qwen2-vl": (QWEN2_VL, Qwen2VLImageProcessor()),
    "clip": (CLIP, CLIPImageProcessor()),
    "siglip": (SIGLIP, SiglipImageProcessor()),
}
STRIPS = [(1, 1), (1, 200), (200, 1), (5600, 28), (28, 5500), (27, 3000), (1400, 1400), (56, 56)]


@pytest.mark.parametrize("family", SIZED)
@given(size=st.tuples(st.integers(1, 700), st.integers(1, 700)) | st.sampled_from(STRIPS), seed=st.integers(0, 99))
def test_resized_here_or_by_the_processor_is_the_same_bit_for_bit(family, size, seed):
    recipe, processor = SIZED[family]
    drawn = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = load_image(Image.fromarray(drawn))
    try:
        seen = seen_size(*size, recipe)
    except LimitExceeded:
        assume(False)
    sized = at_model_size(picture, recipe)
    assert sized.pixels.shape[:2] in (seen, size)
    theirs, ours = (
        processor(Image.fromarray(p.pixels), return_tensors="pt")["pixel_values"] for p in (picture, sized)
    )
    assert torch.equal(theirs, ours)


def test_pictures_are_handed_over_at_the_models_size_if_asked():
    plain, sized = (MultiModalPreprocessor("tiny-qwen2-vl", resize_images=wanted) for wanted in (False, True))
    sample = MultiModalSample(QUESTION, images=[other(900, 1300), other(30, 40)])
    before, after = plain.to_prompt(sample), sized.to_prompt(sample)
    assert [image.size for image in before.items["image"]] == [(1300, 900), (40, 30)]
    seen = [cost.size for cost in after.cost.items]
    assert [image.size[::-1] for image in after.items["image"]] == seen
    assert (after.text, after.cost) == (before.text, before.cost)
    assert after.nbytes == sum(3 * height * width for height, width in seen)
    first, second = (preprocessor.preprocess(sample) for preprocessor in (plain, sized))
    assert torch.equal(first["image"]["pixel_values"], second["image"]["pixel_values"])
    assert torch.equal(first["text"]["input_ids"], second["text"]["input_ids"])


def test_tiles_and_unknown_families_are_left_to_their_processor():
    picture = load_image(pixels(900, 1300))
    assert at_model_size(picture, None) is picture
    assert at_model_size(picture, recipe_for("internvl")) is picture


# ------------------------------------------------------------------------------------------------ tensors


@pytest.mark.parametrize("number", [0, 1, 3])
def test_features_equal_the_processor_on_the_whole_sample(vision, number):
    images = [other(40 + 9 * i, 90) for i in range(number)]
    sample = MultiModalSample(f"{QUESTION} 数据 🙂", images=images)
    text, _ = vision.render(sample)
    whole = vision.processor(text=[text], images=images or None, return_tensors="pt")
    ours = vision.preprocess(sample)
    assert torch.equal(ours["text"]["input_ids"], whole["input_ids"])
    assert torch.equal(ours["text"]["attention_mask"], whole["attention_mask"])
    assert torch.equal(ours["text"]["mm_token_type_ids"], torch.as_tensor(whole["mm_token_type_ids"]))
    for name in ("pixel_values", "image_grid_thw") if number else ():
        assert torch.equal(ours["image"][name], whole[name])
    assert set(ours) == ({"text", "image"} if number else {"text"})


def test_features_equal_mmkits_own_formulas(vision, hearing):
    from mmkit.audio import log_mel
    from mmkit.image import features

    image = load_image(picture())
    ours = vision.preprocess(MultiModalSample(QUESTION, (picture(),)))["image"]
    mine = features(image.pixels, vision.family.recipes["image"])
    assert torch.equal(mine["pixel_values"], ours["pixel_values"])
    assert torch.equal(mine["image_grid_thw"], ours["image_grid_thw"])

    clip = load_audio(sound())
    heard = hearing.preprocess(MultiModalSample("?", audios=(sound(),)))["audio"]["input_features"][0]
    mel = torch.as_tensor(log_mel(clip.wave, hearing.family.recipes["audio"]))
    assert (heard[:, : mel.shape[-1]] - mel[:, : heard.shape[-1]]).abs().max() < 1e-4


def test_a_clip_and_its_tokens(hearing):
    sample = MultiModalSample("What is it?", audios=(sound(), sound(samples=8000)))
    text, _ = hearing.render(sample)
    waves = [load_audio(s).wave for s in sample.audios]
    whole = hearing.processor(text=[text], audio=waves, sampling_rate=16_000, return_tensors="pt")
    ours = hearing.preprocess(sample)
    assert torch.equal(ours["text"]["input_ids"], whole["input_ids"])
    assert torch.equal(ours["audio"]["input_features"], whole["input_features"])
    assert torch.equal(ours["audio"]["feature_attention_mask"], whole["feature_attention_mask"])


def test_a_video_and_its_tokens(vision):
    sample = MultiModalSample("What happens?", videos=(film(),))
    prompt, ours = vision.to_prompt(sample), vision.preprocess(sample)
    pad = vision.processor.tokenizer.convert_tokens_to_ids("<|video_pad|>")
    assert (ours["text"]["input_ids"] == pad).sum() == prompt.cost.items[0].tokens
    frames, metadata = prompt.items["video"][0]
    assert metadata["do_sample_frames"] is False
    assert len(metadata["frames_indices"]) == len(frames)


def test_whisper_gets_a_clip_and_its_start_tokens(whisper):
    prompt = whisper.to_prompt(MultiModalSample(audios=(sound(samples=16_000),)))
    assert prompt.text.startswith("<|startoftranscript|>")
    assert prompt.items["audio"][0][1] == whisper.family.recipes["audio"].sample_rate
    ours = whisper.preprocess(MultiModalSample(audios=(sound(),)))
    assert ours["audio"]["input_features"].shape[1] == whisper.family.recipes["audio"].n_mels
    assert any(
        "takes no question" in n for n in whisper.to_prompt(MultiModalSample("What?", audios=(sound(),))).notes
    )


# -------------------------------------------------------------------------------------------------- costs


@pytest.mark.parametrize("model", ["vision", "hearing"])
def test_costs_are_what_the_tokens_are(model, request):
    ready = request.getfixturevalue(model)
    samples = {
        "vision": [MultiModalSample(QUESTION, tuple(other(h, w) for h, w in ((30, 400), (200, 30)))),
                   MultiModalSample(QUESTION, (picture(), picture("JPEG"), picture("GIF"))),
                   MultiModalSample("x", videos=(film(), film("mkv")))],
        "hearing": [MultiModalSample("x", audios=(sound("FLAC"), sound("MP3"))), MultiModalSample("only text")],
    }[model]  # fmt: skip
    for sample in samples:
        guess, exact = ready.cost(sample), ready.to_prompt(sample).cost
        assert guess.total == exact.total == ready.preprocess(sample)["text"]["input_ids"].shape[1]
        assert [item.tokens for item in guess.items] == [item.tokens for item in exact.items]


@pytest.mark.parametrize(
    "kwargs",
    [{"min_pixels": 50_000, "max_pixels": 90_000}, {"size": {"shortest_edge": 784, "longest_edge": 3_136}}],
)
def test_costs_follow_the_arguments_of_the_processor(kwargs):
    ready = MultiModalPreprocessor("tiny-qwen2-vl", processor_kwargs=kwargs)
    for size in ((30, 400), (200, 300), (20, 20)):
        sample = MultiModalSample("?", (other(*size),))
        assert ready.cost(sample).total == ready.preprocess(sample)["text"]["input_ids"].shape[1]
    assert ready.cost(sample).total != MultiModalPreprocessor("tiny-qwen2-vl").cost(sample).total


def test_cost_decodes_no_file(vision, monkeypatch):
    import mmkit.image

    monkeypatch.setattr(mmkit.image, "load_image", lambda *_, **__: pytest.fail("decoded"))
    assert vision.cost(MultiModalSample(QUESTION, (picture(), picture("WEBP")))).total > 0


def test_too_long_is_an_error_with_a_table(vision):
    with pytest.raises(ContextOverflow) as caught:
        MultiModalPreprocessor("tiny-qwen2-vl", max_model_len=40).to_prompt(
            MultiModalSample(QUESTION, (picture(),) * 2)
        )
    message = str(caught.value)
    assert "text " in message
    assert "image 0 (" in message
    assert "image 1 (" in message
    assert "60 x 40" in message


def test_too_many_is_an_error_with_a_table(vision):
    with pytest.raises(LimitExceeded, match=r"9 image items, at most 8 allowed \(9 image of 8\)"):
        vision.to_prompt(MultiModalSample("?", (picture(),) * 9))


def test_a_clip_longer_than_the_model_hears_is_not_cut(hearing):
    long = np.zeros(31 * 16_000, np.float32)
    with pytest.raises(LimitExceeded, match="cut the clip into pieces"):
        hearing.to_prompt(MultiModalSample("?", audios=((long, 16_000),)))


# ------------------------------------------------------------------------------------------------- sources


def test_one_picture_from_five_sources_is_one_picture(vision, tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    sources = [tmp_path / "a.png", picture(), Image.open(io.BytesIO(picture())), pixels(), url]
    ready = [vision.to_prompt(MultiModalSample(QUESTION, (source,))) for source in sources]
    first, *rest = ready
    for prompt in rest:
        assert np.array_equal(np.asarray(prompt.items["image"][0]), np.asarray(first.items["image"][0]))
        assert (prompt.text, prompt.uuids, prompt.cost.total) == (first.text, first.uuids, first.cost.total)


def test_keys_of_clips_and_videos_hold_their_clock(vision, hearing):
    def key(ready, **items):
        return next(iter(ready.to_prompt(MultiModalSample("?", **items)).uuids.values()))[0]

    wave = tone()[:, 0]
    assert key(hearing, audios=((wave, 16_000),)) == key(hearing, audios=((wave.copy(), 16_000),))
    assert key(hearing, audios=((wave, 16_000),)) != key(hearing, audios=((wave[:-1], 16_000),))
    frames = np.zeros((4, 30, 30, 3), np.uint8)
    slow, fast = (load_video(frames, fps=fps) for fps in (1, 2))
    assert key(vision, videos=(slow,)) != key(vision, videos=(fast,))


def test_only_the_root_is_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture())
    (tmp_path / "b.png").write_bytes(picture())
    ready = MultiModalPreprocessor("tiny-qwen2-vl", root=tmp_path / "in")
    ready.to_prompt(MultiModalSample("?", ("a.png",)))
    for source in ("../b.png", str(tmp_path / "b.png")):
        with pytest.raises(SourceNotAllowed):
            ready.to_prompt(MultiModalSample("?", (source,)))


@pytest.mark.parametrize("wrong", [{"images": "a.png"}, {"images": b"a"}, {"audios": 5}, {"videos": None}])
def test_items_are_lists(wrong):
    with pytest.raises(InvalidArgument, match="not a list"):
        MultiModalSample("?", **wrong)


# -------------------------------------------------------------------------------------------- embeddings


def test_embeddings_are_checked_before_the_engine(vision):
    hidden = vision.family.hidden
    good = Embedding(np.ones((16, hidden), np.float32), (1, 8, 8))
    prompt = vision.to_prompt(MultiModalSample(QUESTION, (good, good)))
    assert prompt.items["image"]["image_embeds"].shape == (32, hidden)
    assert prompt.items["image"]["image_grid_thw"].tolist() == [[1, 8, 8]] * 2
    assert (
        vision.preprocess(MultiModalSample(QUESTION, (good,)))["text"]["input_ids"].shape[1]
        == prompt.cost.total - 18
    )


@pytest.mark.parametrize(
    ("shape", "grid", "expected"),
    [((16, 64), (1, 8, 8), PlaceholderMismatch), ((15, None), (1, 8, 8), PlaceholderMismatch),
     ((16, None), None, PlaceholderMismatch), ((0, None), (1, 0, 0), EmptyMedia),
     ((1, 16, None), (1, 8, 8), PlaceholderMismatch), ((16, None), (1, 7, 9), PlaceholderMismatch)],
)  # fmt: skip
def test_embeddings_of_a_wrong_shape(vision, shape, grid, expected):
    shape = tuple(vision.family.hidden if side is None else side for side in shape)
    with pytest.raises(expected):
        vision.to_prompt(MultiModalSample("?", (Embedding(np.ones(shape, np.float32), grid),)))


def test_other_bad_embeddings(vision):
    hidden = vision.family.hidden
    for values, expected in (
        (np.full((16, hidden), np.nan, np.float32), NonFiniteSamples),
        (np.ones((16, hidden), np.int64), PlaceholderMismatch),
    ):
        with pytest.raises(expected):
            vision.to_prompt(MultiModalSample("?", (Embedding(values, (1, 8, 8)),)))
    mixed = (Embedding(np.ones((16, hidden), np.float32), (1, 8, 8)), picture())
    with pytest.raises(PlaceholderMismatch, match="mixture"):
        vision.to_prompt(MultiModalSample("?", mixed))


# ----------------------------------------------------------------------------------------------- prompts


@pytest.mark.parametrize("model", ["vision", "hearing", "whisper"])
def test_no_reserved_string_of_any_model_changes_a_count(model, request):
    """Each control token, typed by a user: as many placeholders, the same items, one note each."""
    ready = request.getfixturevalue(model)
    items = {"images": (picture(),)} if model == "vision" else {"audios": (sound(),)}
    plain = ready.to_prompt(MultiModalSample("what is this?", **items))
    for string in ready.reserved:
        prompt = ready.to_prompt(MultiModalSample(f"what is {string} this?", **items))
        assert prompt.uuids == plain.uuids
        for placeholder in ready.placeholders.values():
            assert prompt.text.count(placeholder) == plain.text.count(placeholder)
        ids, plain_ids = (ready.processor.tokenizer(p.text).input_ids for p in (prompt, plain))
        control = set(ready.processor.tokenizer.get_added_vocab().values())
        assert [i for i in ids if i in control] == [i for i in plain_ids if i in control], string


def test_text_is_judged_as_clean_text_judges_it(vision):
    """One mechanism: what `clean_text` remarks on is a note, what it refuses is its error, nothing is changed."""
    odd = "What\x00 is\u202e it? <|image_pad|>"
    prompt = vision.to_prompt(MultiModalSample(odd))
    assert prompt.notes[:-1] == tuple(f"text: {note}" for note in clean_text(odd).notes)
    assert len(prompt.notes) == 3
    assert odd[:13] in prompt.text
    with pytest.raises(BadEncoding, match=r"lone surrogate U\+D800 at character 1"):
        vision.to_prompt(MultiModalSample("a\ud800"))


def test_a_finished_prompt_is_used_as_it_is(vision):
    text = "<|vision_start|><|image_pad|><|vision_end|>first, <|vision_start|><|image_pad|><|vision_end|>second"
    assert vision.to_prompt(MultiModalSample(prompt=text, images=(picture(),) * 2)).text == text
    with pytest.raises(PlaceholderMismatch):
        vision.to_prompt(MultiModalSample(prompt=text, images=(picture(),)))


def test_history_and_system_stand_where_they_belong(vision):
    sample = MultiModalSample("and now?", (picture(),), system="Be brief.", history=(("what?", "a circle"),))
    text = vision.to_prompt(sample).text
    places = [text.index(part) for part in ("Be brief.", "<|image_pad|>", "what?", "a circle", "and now?")]
    assert places == sorted(places)


# ---------------------------------------------------------------------------------------------- messages


def test_messages_hold_the_same_pixels_and_samples(vision, hearing):
    rgba = picture("PNG", "RGBA")
    (message,) = vision.to_messages(MultiModalSample(QUESTION, (rgba, picture("JPEG"))))
    parts = message["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    for part, source in zip(parts, (rgba, picture("JPEG")), strict=False):
        sent = load_image(part["image_url"]["url"])
        assert np.array_equal(sent.pixels, load_image(source).pixels)
    (message,) = hearing.to_messages(MultiModalSample("?", audios=(sound("FLAC"),)))
    packed = message["content"][0]["input_audio"]
    heard = load_audio(base64.b64decode(packed["data"]))
    assert packed["format"] == "wav"
    assert np.array_equal(heard.wave, load_audio(sound("FLAC")).wave)


def test_messages_neutralise_and_send_video_files(vision):
    (message,) = vision.to_messages(MultiModalSample("<|image_pad|>?", videos=(film(),)))
    video, text = message["content"]
    assert video["video_url"]["url"].startswith("data:video/mp4;base64,")
    assert "<|image_pad|>" not in text["text"]


def test_what_does_not_travel(vision):
    frames = load_video(np.zeros((4, 30, 30, 3), np.uint8), fps=2)
    embedding = Embedding(np.ones((16, vision.family.hidden), np.float32), (1, 8, 8))
    for sample in (MultiModalSample("?", videos=(frames,)), MultiModalSample("?", (embedding,))):
        with pytest.raises(LimitExceeded, match="travel"):
            vision.to_messages(sample)


# ------------------------------------------------------------------------------------------------ models


def test_models_without_a_processor(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}')
    with pytest.raises(ModelNotFound):
        MultiModalPreprocessor(tmp_path)


def test_every_error_names_its_item(vision):
    with pytest.raises(MmkitError) as caught:
        vision.to_prompt(MultiModalSample("?", (picture(), picture()[:50])))
    assert (caught.value.index, caught.value.modality) == (1, "image")
