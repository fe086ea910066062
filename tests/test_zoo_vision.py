"""tiny-qwen2-vl around the weights: processor, packing, fast forward.

Oracles: transformers' Qwen2-VL processor and forward, run on the same pictures and the same chat template.
"""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from mmkit.zoo.packing import Placeholder, Row, pack
from mmkit.zoo.vision import batches
from mmkit.zoo.vision.conversation import Writer, reword, rows_about, sample_system
from mmkit.zoo.vision.forward import MERGE, QwenForward, patchify
from mmkit.zoo.vision.model import MAX_FRAMES, build_model, build_processor, save, train_tokenizer
from mmkit.zoo.vision.train import VisionConfig, VisionTask
from mmkit.zoo.worlds import charts, forms, shapes


@pytest.fixture(scope="module")
def processor():
    return build_processor(train_tokenizer())


@pytest.fixture(scope="module")
def model(processor):
    return build_model(processor.tokenizer, seed=1)


def message(role, *parts):
    return {"role": role, "content": list(parts)}


def text(words):
    return {"type": "text", "text": words}


IMAGE, VIDEO = {"type": "image"}, {"type": "video"}


def transformers_logits(model, processor, messages, images=None, videos=None):
    """Logits (L, vocabulary) of a whole conversation, by transformers alone."""
    prompt = processor.apply_chat_template(messages, tokenize=False)
    inputs = processor(text=[prompt], images=images, videos=videos, return_tensors="pt")
    with torch.no_grad():
        return inputs["input_ids"][0], model(**inputs).logits[0]


def assert_same(model, processor, row, items, messages, images=None, videos=None):
    """The one branch of `row` predicts what transformers predicts at the same tokens."""
    forward = QwenForward(model)
    packed = pack([row])
    ids, oracle = transformers_logits(model, processor, messages, images, videos)
    length = packed.ids.shape[1]
    assert packed.ids[0].tolist() == ids[:length].tolist()
    with torch.no_grad():
        ours = forward(items(forward), packed)
    # float32: two orders of the same sums
    torch.testing.assert_close(ours, oracle[packed.queries], rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(112, 112), (84, 168), (224, 224), (640, 480), (101, 137)])
def test_patches_equal_the_processor(processor, size):
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    theirs = processor.image_processor([Image.fromarray(picture)], return_tensors="pt")
    ours, grid = patchify(picture[None])
    assert theirs["image_grid_thw"].tolist() == [[1, *grid]]
    once = theirs["pixel_values"].view(-1, 3, 2, 14, 14)[:, :, 0].reshape(-1, 588)
    torch.testing.assert_close(ours[0], once, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(84, 84), (224, 112), (640, 480), (1000, 90)])
def test_an_image_costs_few_tokens(processor, size):
    theirs = processor.image_processor([Image.new("RGB", size)], return_tensors="pt")
    assert 5 <= theirs["image_grid_thw"].prod().item() // 4 <= 36


@pytest.mark.parametrize("system", [None, "Answer briefly."])
@pytest.mark.parametrize("size", [(112, 112), (160, 90)])
def test_one_image_equals_transformers(model, processor, system, size):
    scene = shapes.sample_scene(random.Random(0), *size, count=2)
    picture = shapes.draw_scene(scene, np.random.default_rng(0))
    patches, grid = patchify(picture[None])
    writer = Writer(processor.tokenizer)
    placeholders = [Placeholder((1, grid[0] // MERGE, grid[1] // MERGE), writer.image_token)]
    turns = [("What is this?", "a red circle"), ("How many shapes are there?", "one")]
    row = Row(writer.prefix(placeholders, system), [writer.turns(turns)], [0])
    messages = [message("system", text(system))] if system else []
    messages += [
        message("user", IMAGE, text(turns[0][0])),
        message("assistant", text(turns[0][1])),
        message("user", text(turns[1][0])),
        message("assistant", text(turns[1][1])),
    ]
    assert_same(
        model, processor, row, lambda f: list(f.vision(patches, grid)), messages, [Image.fromarray(picture)]
    )


def test_two_images_of_different_sizes_with_the_text_first_equal_transformers(model, processor):
    rng, noise = random.Random(5), np.random.default_rng(5)
    pictures = [shapes.draw_scene(shapes.sample_scene(rng, *size), noise) for size in ((112, 112), (224, 150))]
    seen = [patchify(picture[None]) for picture in pictures]
    writer = Writer(processor.tokenizer)
    placeholders = [Placeholder((1, gh // MERGE, gw // MERGE), writer.image_token) for _, (gh, gw) in seen]
    prefix = writer.prefix(placeholders, None, (("Hello.", "Hi!"),), "Which has more shapes?\n")
    row = Row(prefix, [writer.turns([("", "second")])], [0, 1])
    messages = [
        message("user", text("Hello.")),
        message("assistant", text("Hi!")),
        message("user", text("Which has more shapes?\n"), IMAGE, IMAGE),
        message("assistant", text("second")),
    ]
    images = [Image.fromarray(picture) for picture in pictures]
    assert_same(
        model, processor, row, lambda f: [f.vision(patches, grid)[0] for patches, grid in seen], messages, images
    )


@pytest.mark.parametrize("frames", [2, MAX_FRAMES])
def test_a_clip_equals_transformers(model, processor, frames):
    clip = shapes.sample_clip(random.Random(2), frames=frames)
    video = shapes.draw_clip(clip, np.random.default_rng(2))
    patches, grid = patchify(video, temporal=2)
    writer = Writer(processor.tokenizer)
    placeholders = [Placeholder((frames // 2, grid[0] // MERGE, grid[1] // MERGE), writer.video_token)]
    row = Row(writer.prefix(placeholders), [writer.turns([("What moves?", "circle")])], [0])
    messages = [message("user", VIDEO, text("What moves?")), message("assistant", text("circle"))]
    assert_same(model, processor, row, lambda f: [f.vision(patches, grid).flatten(0, 1)], messages, videos=[video])


def test_branches_do_not_see_each_other(model, processor):
    """Questions packed behind one image are answered as if each stood alone."""
    rng = random.Random(0)
    scene = shapes.sample_scene(rng, count=3)
    patches, grid = patchify(shapes.draw_scene(scene, np.random.default_rng(0))[None])
    writer, forward = Writer(processor.tokenizer), QwenForward(model)
    placeholders = [Placeholder((1, grid[0] // MERGE, grid[1] // MERGE), writer.image_token)]
    asked = batches.ask_all(rng, scene, 6)
    together, questions = rows_about(rng, writer, asked, placeholders, [0], plain=True)
    alone = [rows_about(rng, writer, [question], placeholders, [0], plain=True)[0][0] for question in asked]
    with torch.no_grad():
        items = list(forward.vision(patches, grid))
        one = forward(items, pack(together))
        many = forward(items, pack(alone))
    assert len(questions[0]) == len(asked) == 6
    torch.testing.assert_close(one, many, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "line",
    ["", "Describe the image.", "a red circle, a blue square and a green star", "1047", "画里有什么？", "🙂 é"],
)
def test_the_tokenizer_brings_any_text_back(processor, line):
    ids = processor.tokenizer(line)["input_ids"]
    assert processor.tokenizer.decode(ids) == line


def test_digits_are_single_tokens(processor):
    assert processor.tokenizer.tokenize("407") == ["4", "0", "7"]


def test_turns_are_encoded_as_the_chat_template_writes_them(processor):
    writer = Writer(processor.tokenizer)
    rng = random.Random(3)
    for _ in range(50):
        question, system = reword(rng, "What is in the image?"), sample_system(rng)
        prefix = writer.prefix([], system)
        ids = prefix + [token for piece, _ in writer.turns([(question, "one")]) for token in piece]
        messages = [message("system", text(system))] if system else []
        messages += [message("user", text(question)), message("assistant", text("one"))]
        whole = processor.apply_chat_template(messages, tokenize=False).rstrip("\n")
        assert ids == processor.tokenizer(whole)["input_ids"]


def test_pieces_of_an_answer_are_the_tokens_of_the_whole(processor):
    """The very sequence that the tokenizer gives; only the model's own tokens are learned."""
    writer, rng = Writer(processor.tokenizer), random.Random(4)
    for number in range(200):
        scene = shapes.sample_scene(rng)
        question = (forms.ask_fields, forms.ask_list)[number % 2](rng, scene)
        _, (ids, own) = writer.turns([(question.text, question.pieces)])
        assert ids == processor.tokenizer(question.answer + "<|im_end|>")["input_ids"]
        packed = pack([Row([1], [writer.turns([(question.text, question.pieces)])])])
        assert packed.targets.tolist() == [token for token, learned in zip(ids, own, strict=True) if learned]
        assert len(packed.owner) == sum(own)
        before = packed.ids.flatten()[packed.queries + 1]  # each query stands before its target
        assert before[:-1].tolist() == packed.targets[:-1].tolist()


def test_every_kind_of_batch_can_be_made_and_learned():
    task = VisionTask(VisionConfig(images=6, questions=3))
    source = batches.BatchGenerator(task.writer, random.Random(0), np.random.default_rng(0), 6, 3)
    for kind in batches.KINDS:
        batch = source.make(kind)
        loss, shown = task.loss(batch, 0.5)
        loss.backward()
        assert 0 < shown["answer"] < 20
        assert sum(len(turns) for row in batch.questions for turns in row) > 0


def test_a_saved_model_comes_back_whole_and_small(model, processor, tmp_path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    save(model, processor, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 6_000_000
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in tmp_path.iterdir())
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert again.generation_config.eos_token_id == processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert loaded.chat_template == processor.chat_template
    assert loaded.video_processor.size == processor.video_processor.size


def test_marks_lie_on_what_they_name():
    """The dense lesson points at ink: the picture has the thing's colour where the mark is."""
    rng, noise = random.Random(8), np.random.default_rng(8)
    for _ in range(30):
        scene = shapes.sample_scene(rng, count=2)
        picture = shapes.draw_scene(scene, noise).astype(int)
        for shape, (x, y, *_) in zip(scene.shapes, batches.scene_marks(scene), strict=True):
            seen = picture[int(y * scene.height), int(x * scene.width)]
            assert np.abs(seen - shape.rgb).max() <= 20
    for _ in range(30):
        chart = charts.sample_chart(rng)
        picture = charts.draw_chart(chart, noise).astype(int)
        for bar, (x, y, *_) in zip(chart.bars, batches.chart_marks(chart), strict=True):
            seen = picture[int(y * chart.height), int(x * chart.width)]
            assert np.abs(seen - bar.rgb).max() <= 20
