"""tiny-clip: tokenizer, batches, losses, recall; the shipped weights in transformers and in vLLM.

Oracles: transformers' CLIPModel and CLIPImageProcessor, mmkit.fusion's losses, and captions by hand.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mmkit import fusion, shipped
from mmkit.zoo.clip import evaluate
from mmkit.zoo.clip.batches import make_batch, near_miss, shrink
from mmkit.zoo.clip.model import END, START, build_processor, train_tokenizer
from mmkit.zoo.clip.train import ClipConfig, ClipTask, info_nce
from mmkit.zoo.worlds import shapes


@pytest.fixture(scope="module")
def processor():
    return build_processor(train_tokenizer())


@pytest.fixture(scope="module")
def published():
    from transformers import AutoProcessor, CLIPModel

    folder = shipped.resolve("tiny-clip")
    return CLIPModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)


def test_the_tokenizer_suits_vllm(processor):
    """Token 0 stands for a picture in vLLM, so it must not be special; START and END frame every caption."""
    tokenizer = processor.tokenizer
    assert 0 not in tokenizer.all_special_ids
    ids = tokenizer("A Red circle")["input_ids"]
    assert ids == tokenizer("a red circle")["input_ids"]
    assert (ids[0], ids[-1]) == tuple(tokenizer.convert_tokens_to_ids([START, END]))
    assert ids.count(ids[-1]) == 1
    assert tokenizer.decode(tokenizer("数据 ok")["input_ids"], skip_special_tokens=True).strip() == "数据 ok"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_near_miss_is_another_caption(count):
    rng = random.Random(count)
    for _ in range(100):
        scene = shapes.sample_scene(rng, count=count)
        wrong = near_miss(rng, scene)
        assert shapes.caption(wrong) != shapes.caption(scene)
        assert abs(len(wrong.shapes) - count) <= 1


def test_a_batch_is_drawn_from_its_seed_alone():
    first, again = (make_batch(random.Random(5), np.random.default_rng(5), 6) for _ in range(2))
    assert first.captions == again.captions
    assert np.array_equal(first.pictures, again.pictures)
    assert first.pictures.shape == (6, 112, 112, 3)


@pytest.mark.parametrize("side", [84, 112, 160, 224])
def test_pictures_equal_the_processor(processor, side):
    """What training sees is what transformers makes of a square picture; resizing differs by a few levels."""
    picture = shapes.draw_scene(shapes.sample_scene(random.Random(1), side, side), np.random.default_rng(1))
    ours = evaluate.pixels(shrink(picture, 112)[None])
    theirs = processor.image_processor([Image.fromarray(picture)], return_tensors="pt")["pixel_values"]
    levels = (ours - theirs).abs() * 0.27 * 255
    assert levels.mean() < (0.01 if side == 112 else 1.0)


def test_the_loss_equals_info_nce_and_adds_the_near_misses():
    torch.manual_seed(0)
    batch = make_batch(random.Random(3), np.random.default_rng(3), 5)
    assert len({shapes.caption(scene) for scene in batch.scenes}) == 5
    cosines = torch.randn(5, 10)
    far = cosines.clone()
    far[:, 5:] = -1e9  # near misses so far away that they do not count
    torch.testing.assert_close(info_nce(far, batch), fusion.info_nce(cosines[:, :5], 1.0))
    assert info_nce(cosines, batch) > info_nce(far, batch)


def test_equal_captions_are_no_negatives():
    batch = make_batch(random.Random(3), np.random.default_rng(3), 4)
    twins = type(batch)(batch.pictures, batch.captions, batch.misses, [batch.scenes[0]] * 4)
    cosines = torch.full((4, 8), 5.0)
    cosines[:, 4:] = -1e9
    assert info_nce(cosines, twins) == 0  # nobody is left to be told apart from


def test_recall_by_hand():
    matrix = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.7, 0.0], [0.0, 0.1, 0.3]])
    assert evaluate.recall_at_1(matrix) == pytest.approx((2 / 3, 1.0))


def test_candidates_have_different_captions():
    captions = [shapes.caption(scene) for scene in evaluate.candidates(random.Random(0))]
    assert len(set(captions)) == evaluate.CANDIDATES == 64


def test_it_learns():
    """Three batches, seen again and again: their loss must fall."""
    task = ClipTask(ClipConfig(steps=12, pictures=8))
    optimizer = torch.optim.AdamW(task.model.parameters(), 2e-3)
    losses = []
    for step in range(12):
        loss, shown = task.loss(task.batch(step % 3), 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(shown["contrastive"])
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_the_shipped_model_finds_what_it_should(published):
    """A small share of the scores: one set of 64 by each renderer."""
    for name, draw in evaluate.RENDERERS.items():
        shares = evaluate.recall_of(*published, draw, random.Random(f"test {name}"), sets=1)
        assert min(shares.values()) > 0.9, name


@pytest.mark.vllm
def test_embeddings_equal_in_vllm(published):
    """Texts, pictures of many sizes, alone and mixed: the same vectors within 1e-5, and the same score."""
    from mmkit.engine import llvmlite_out_of_sight, suppress_output

    with suppress_output(), llvmlite_out_of_sight():
        from vllm import LLM

        llm = LLM(
            shipped.resolve("tiny-clip"), runner="pooling", dtype="float32", max_model_len=48, enforce_eager=True,
            kv_cache_memory_bytes=64 << 20, gpu_memory_utilization=0.1, use_tqdm_on_load=False,
            limit_mm_per_prompt={"image": 1},
        )  # fmt: skip
    model, processor = published
    rng, noise = random.Random(11), np.random.default_rng(11)
    sizes = [(112, 112), (200, 120), (64, 64), (300, 301)]
    scenes = [shapes.sample_scene(rng, *size) for size in sizes]
    pictures = [Image.fromarray(shapes.draw_scene(scene, noise)) for scene in scenes]
    captions = [shapes.caption(scene) for scene in scenes] + ["", "数据", "A photo of a red circle."]
    requests = [*captions, *({"prompt": "", "multi_modal_data": {"image": picture}} for picture in pictures)]
    order = random.Random(0).sample(range(len(requests)), len(requests))
    done = llm.embed([requests[at] for at in order], use_tqdm=False)
    theirs = torch.tensor([done[order.index(at)].outputs.embedding for at in range(len(requests))])
    with torch.no_grad():
        ids = [processor.tokenizer(caption, return_tensors="pt")["input_ids"] for caption in captions]
        texts = torch.cat([model.get_text_features(input_ids=each).pooler_output for each in ids])
        pixels = processor.image_processor(pictures, return_tensors="pt")["pixel_values"]
        images = model.get_image_features(pixel_values=pixels).pooler_output
    ours = F.normalize(torch.cat((texts, images)), dim=-1)
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)
    score = llm.score(captions[0], {"content": [{"type": "image_pil", "image_pil": pictures[0]}]}, use_tqdm=False)
    assert score[0].outputs.score == pytest.approx(float(ours[0] @ ours[len(captions)]), abs=1e-5)
    with suppress_output():
        llm.llm_engine.engine_core.shutdown()
