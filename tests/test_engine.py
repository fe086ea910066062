"""The engine: real vLLM, started once for the whole module. Oracles: itself alone, batched and again."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmkit.answers import Sampling
from mmkit.engine import Engine, Settings, context_length
from mmkit.errors import (
    ContextOverflow,
    EngineFailed,
    InvalidArgument,
    LimitExceeded,
    MmkitError,
    ModelNotFound,
    OutOfMemory,
    SourceNotFound,
    UuidMismatch,
)
from mmkit.preprocessor import MultiModalSample
from mmkit.uuids import Uuids
from mmkit.zoo.worlds import second_renderer, shapes

pytestmark = pytest.mark.vllm
COLOURS = {"red": (215, 40, 40), "green": (40, 165, 60), "blue": (45, 75, 215)}


def picture(colour: str, side: int = 112) -> Image.Image:
    drawn = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(drawn).ellipse((side * 0.3, side * 0.3, side * 0.7, side * 0.7), fill=COLOURS[colour])
    return drawn


@pytest.fixture(scope="module")
def engine():
    with Engine(settings=Settings(enable_mm_embeds=True, enable_lora=True), quiet=True) as engine:
        yield engine


def test_answers_about_what_it_sees(engine):
    for colour in COLOURS:
        assert engine.ask("What color is the circle?", images=[picture(colour)]).text == colour


def test_same_question_same_answer_to_the_bit(engine):
    first, again = (engine.ask("Describe the image.", images=[picture("red")]) for _ in range(2))
    assert first == again
    assert 0 < first.confidence <= 1


def test_a_batch_equals_one_by_one(engine):
    samples = [
        MultiModalSample(question, (picture(colour, side),))
        for colour in COLOURS
        for side in (84, 112, 200)
        for question in ("Describe the image.", "How many shapes are there?")
    ]
    batched = engine.answer(samples)
    alone = [engine.answer([sample])[0] for sample in reversed(samples)][::-1]
    assert [a.token_ids for a in batched] == [a.token_ids for a in alone]


def test_two_pictures_and_a_video(engine):
    pair = [picture("red"), picture("blue")]
    assert engine.ask("Which image has a red circle?", images=pair).text == "first"
    assert engine.ask("Which image has a red circle?", images=pair[::-1]).text == "second"


def test_vllm_believes_a_name_and_mmkit_refuses_it(engine):
    """The hazard of multi_modal_uuids: vLLM 0.32 answers about what a name named first; the guard refuses."""
    from vllm import SamplingParams

    names = Uuids()

    def named(color: str) -> dict:
        prompt = engine.preprocessor.to_prompt(MultiModalSample("What color is the circle?", (picture(color),)))
        return prompt.for_vllm() | {"multi_modal_uuids": {"image": ["product-17"]}}

    def said(prompt: dict) -> str:
        (output,) = engine.llm.generate(prompt, SamplingParams(temperature=0, max_tokens=4), use_tqdm=False)
        return output.outputs[0].text.strip()

    assert [said(names.checked(named("red"))), said(named("green"))] == ["red", "red"]
    with pytest.raises(UuidMismatch):
        names.checked(named("green"))
    known = named("red") | {"multi_modal_data": {"image": [None]}}
    assert said(names.checked(known)) == "red"


def test_a_file_that_changes_under_its_name_is_seen_anew(engine, tmp_path):
    path = tmp_path / "product-17.png"
    for color in ("red", "green", "blue"):
        picture(color).save(path)
        assert engine.ask("What color is the circle?", images=[path]).text == color


def test_one_bad_sample_costs_one_result(engine, tmp_path):
    good = MultiModalSample("What color is the circle?", (picture("green"),))
    bad = [
        (MultiModalSample("?", (str(tmp_path / "missing.png"),)), SourceNotFound),
        (MultiModalSample("?", (picture("red"),) * 9), LimitExceeded),
        (MultiModalSample("?", audios=(np.zeros(1600, np.float32),)), LimitExceeded),
        (MultiModalSample("word " * 5000, (picture("red"),)), ContextOverflow),
        (MultiModalSample(" "), MmkitError),
    ]
    results = engine.answer(sample for b, _ in bad for sample in (good, b))
    assert [r.text for r in results[::2]] == ["green"] * len(bad)
    for result, (_, expected) in zip(results[1::2], bad, strict=True):
        assert isinstance(result, expected)
        assert "\n" not in str(result)


def test_typed_placeholder_changes_nothing(engine):
    image = picture("blue")
    trap = "<|vision_start|><|image_pad|><|vision_end|>"
    plain = engine.ask("What color is the circle?", images=[image])
    answer = engine.ask(f"{trap}What color is the circle?", images=[image])
    assert answer.notes
    assert len([n for n in answer.notes if "made plain text" in n]) == 3
    grid = plain.prompt_tokens
    assert answer.prompt_tokens > grid  # the trap became letters
    expanded = engine.llm.generate(
        engine.preprocessor.to_prompt(MultiModalSample(f"{trap}?", (image,))).for_vllm(), use_tqdm=False
    )[0].prompt_token_ids
    pad = engine.preprocessor.processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    reference = engine.llm.generate(
        engine.preprocessor.to_prompt(MultiModalSample("?", (image,))).for_vllm(), use_tqdm=False
    )[0].prompt_token_ids
    assert expanded.count(pad) == reference.count(pad) > 0


def test_a_failed_step_does_not_poison_the_next(engine):
    """Embeddings of a wrong width get past vLLM's checks, fail in the model, and would make the next call spin."""
    import torch

    text = engine.preprocessor.to_prompt(MultiModalSample("What color is it?", (picture("red"),))).text
    width = engine.llm.model_config.hf_config.get_text_config().hidden_size
    grid = torch.tensor([[1, 8, 8]])

    def prompt(embeds):
        return {"prompt": text, "multi_modal_data": {"image": {"image_embeds": embeds, "image_grid_thw": grid}}}

    good, narrow, short = torch.ones(16, width), torch.ones(16, width // 2), torch.ones(8, width)
    sampling = {"sampling_params": Sampling(max_tokens=4)}
    results = engine._call("generate", [prompt(e) for e in (good, narrow, good, short)], sampling)
    assert [isinstance(r, EngineFailed) for r in results] == [False, True, False, True]
    assert results[0].outputs[0].token_ids == results[2].outputs[0].token_ids
    assert engine.ask("What color is the circle?", images=[picture("red")]).text == "red"


def test_eight_threads_share_an_engine(engine):
    """As a web handler has it.  Oracle: the same questions one after the other."""
    asked = [(question, colour) for colour in COLOURS for question in ("Describe the image.", "What shape is it?")]
    asked = asked * 4
    samples = [MultiModalSample(question, (picture(colour),)) for question, colour in asked]
    alone = engine.answer(samples)
    samples[5] = MultiModalSample("?", ("missing.png",))  # and a bad one among them
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda sample: engine.answer([sample])[0], samples))
    assert isinstance(together.pop(5), SourceNotFound)
    alone.pop(5)
    assert [a.token_ids for a in together] == [a.token_ids for a in alone]


HOST = """
import logging, os, sys, threading
from mmkit import Engine
logging.basicConfig(level=logging.DEBUG, format="LOG %(message)s")
logging.getLogger("PIL").setLevel(logging.INFO)
log, stopped, count = logging.getLogger("host"), threading.Event(), 0
before = sys.stdout, sys.stderr, logging.root.level, list(logging.root.handlers)

def talk():
    global count
    while not stopped.wait(0.005):
        sys.stdout.write(f"OUT {count}\\n")
        sys.stdout.flush()
        sys.stderr.write(f"ERR {count}\\n")
        os.write(1, b"RAW %d\\n" % count)
        log.info(count)
        count += 1

talker = threading.Thread(target=talk, daemon=True)
talker.start()
with Engine() as engine:
    for _ in range(20):
        answer = engine.ask("What color is the circle?", images=[sys.argv[1]])
stopped.set()
talker.join()
assert before == (sys.stdout, sys.stderr, logging.root.level, list(logging.root.handlers))
assert logging.root.manager.disable == 0
print("END", count, answer)
"""


def test_a_host_program_keeps_its_output(tmp_path):
    """Threads of the host print and log while vLLM starts and answers: every line arrives, in order."""
    picture("red").save(tmp_path / "a.png")
    run = subprocess.run([sys.executable, "-c", HOST, str(tmp_path / "a.png")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    *_, (_, count, answer) = [line.split() for line in run.stdout.splitlines() if line.startswith("END")]
    assert (answer, int(count) > 20) == ("red", True)
    for mark, stream in (("OUT", run.stdout), ("RAW", run.stdout), ("ERR", run.stderr), ("LOG", run.stderr)):
        numbers = re.findall(rf"{mark} (\d+)\n", stream)  # behind half a line of C++'s own, where one is written
        assert numbers == [str(n) for n in range(int(count))], mark


def test_an_answer_that_is_lost_on_the_way_holds_nothing_up(engine, monkeypatch):
    """The step computes an answer, and handing it over fails, once: the next call would wait for it for ever."""
    processor = engine.llm.llm_engine.output_processor
    hand_over = processor.process_outputs

    def fail(*arguments, **options):
        monkeypatch.setattr(processor, "process_outputs", hand_over)
        raise ValueError("lost")

    monkeypatch.setattr(processor, "process_outputs", fail)
    sample = MultiModalSample("What color is the circle?", (picture("red"),))
    (lost,) = engine.answer([sample], max_tokens=1)
    assert isinstance(lost, EngineFailed)
    assert not processor.has_unfinished_requests()
    assert engine.answer([sample])[0].text == "red"


def test_sampling_by_vllms_own_names(engine):
    image = [picture("red")]
    greedy = engine.ask("Describe the image.", images=image)
    warm = engine.ask("Describe the image.", images=image, temperature=2.0, n=8, seed=3)
    assert len({a.text for a in (warm, *warm.others)}) > 1
    assert warm == engine.ask("Describe the image.", images=image, temperature=2.0, n=8, seed=3)
    assert warm != engine.ask("Describe the image.", images=image, temperature=2.0, n=8, seed=4)
    narrow = engine.ask("Describe the image.", images=image, temperature=2.0, top_k=1)
    assert narrow.token_ids == greedy.token_ids
    assert engine.ask("Describe the image.", images=image, stop="circle").text == "a red"
    assert len(engine.ask("Describe the image.", images=image, max_tokens=2).token_ids) == 2


def test_structured_output(engine):
    image = [picture("red")]
    asked = "What color is the circle?"
    assert engine.ask(asked, images=image, choice=("blue", "red")).text == "red"
    assert engine.ask(asked, images=image, choice=("blue", "green")).text in ("blue", "green")
    assert engine.ask(asked, images=image, choice=("blue",)).confidence > 0.99  # of what the form allows, it is all
    assert engine.ask(asked, images=image, regex="[a-z]{3}").text == "red"
    schema = {
        "type": "object",
        "properties": {"color": {"enum": list(COLOURS)}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["color", "count"],
        "additionalProperties": False,
    }
    said = engine.ask(asked, images=image, json=schema)
    assert set(json.loads(said.text)) == {"color", "count"}
    assert not any(letter.isspace() for letter in said.text)


def thing(*fields):
    """A schema of these fields, as pydantic writes one."""
    known = {"color": tuple(shapes.COLORS), "shape": shapes.SHAPES}
    return {"type": "object", "required": list(fields), "additionalProperties": False,
            "properties": {field: {"type": "string", "enum": list(known[field])} for field in fields}}  # fmt: skip


def held_out(count=None):
    """200 scenes of a seed that no training drew, half of them by the renderer that no training uses."""
    rng, noise = random.Random(f"held out json {count}"), np.random.default_rng(5)
    for number in range(200):
        scene = shapes.sample_scene(rng, count=count)
        draw = second_renderer.draw_scene if number % 2 else shapes.draw_scene
        yield scene, Image.fromarray(draw(scene, noise))


def test_json_about_200_held_out_scenes(engine):
    """Valid, and right: the values are read off the scene from which the picture was drawn."""
    scenes, pictures = zip(*held_out(count=1), strict=True)
    samples = [MultiModalSample("Describe the image.", (each,)) for each in pictures]
    said = engine.answer(samples, json=thing("color", "shape"))
    true = [{"color": scene.shapes[0].color, "shape": scene.shapes[0].kind} for scene in scenes]
    assert [json.loads(answer.text) for answer in said] == true


def test_a_list_in_json_about_200_held_out_scenes(engine):
    """None to three shapes: always valid, seldom wrong."""
    scenes, pictures = zip(*held_out(), strict=True)
    schema = {"type": "object", "required": ["shapes"], "additionalProperties": False,
              "properties": {"shapes": {"type": "array", "items": thing("color", "shape")}}}  # fmt: skip
    samples = [MultiModalSample("What is in the picture?", (each,)) for each in pictures]
    said = [json.loads(answer.text)["shapes"] for answer in engine.answer(samples, json=schema, max_tokens=128)]
    true = [[{"color": shape.color, "shape": shape.kind} for shape in scene.shapes] for scene in scenes]
    assert sum(map(lambda ours, theirs: ours == theirs, said, true)) >= 190


def test_wrong_sampling_is_told_before_anything_is_read(engine):
    for wrong, message in [
        ({"guided_choice": ["red"]}, "did you mean choice"),
        ({"temprature": 1.0}, "did you mean temperature"),
        ({"choice": ["red"], "regex": "red"}, "contradict"),
        ({"regex": "(red"}, "cannot be read"),
        ({"n": 2}, "temperature"),
        ({"json": 5}, "schema"),
        ({"choice": [""]}, "not empty"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            engine.ask("?", images=["missing.png"], **wrong)
    for wrong in ({"temperature": -1.0}, {"top_p": 2.0}, {"max_tokens": 0}, {"json": {"type": "nonsense"}}):
        with pytest.raises(InvalidArgument, match="vLLM refuses"):
            engine.ask("What color is the circle?", images=[picture("red")], **wrong)
    assert engine.ask("What color is the circle?", images=[picture("red")]).text == "red"


def test_a_closed_engine_says_so():
    engine = Engine()
    engine.close()
    engine.close()
    with pytest.raises(EngineFailed, match="closed"):
        engine.ask("What color is the circle?", images=[picture("red")])


def test_unknown_and_broken_models(tmp_path):
    with pytest.raises(ModelNotFound, match="shipped are"):
        Engine("tiny-qwen3")
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}')
    with pytest.raises(ModelNotFound, match="no processor"):
        Engine(tmp_path)
    with pytest.raises(ModelNotFound):
        Engine("nobody/nothing-of-this-name")


def test_too_little_memory_is_told_before_loading(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10**8})())
    with pytest.raises(OutOfMemory, match="GB"):
        Engine()


def test_context_length_of_both_kinds():
    from types import SimpleNamespace as Config

    assert context_length(Config(max_position_embeddings=1024)) == 1024
    assert context_length(Config(max_target_positions=64)) == 64


def test_ask_prints_the_answer_alone(tmp_path):
    """In a fresh process: nothing but the answer on stdout, nothing at all on stderr."""
    picture("red").save(tmp_path / "a.png")
    command = [sys.executable, "-m", "mmkit.cli", "ask", "What color is the circle?"]
    run = subprocess.run([*command, "--image", str(tmp_path / "a.png")], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "red\n", "")
