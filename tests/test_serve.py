"""`mmkit serve` as strangers meet it: real servers with its defaults.  Oracle: the offline engine.

Three servers, started once each: tiny-omni (pictures, clips, live speech), tiny-whisper (transcriptions) and
tiny-qwen2-vl (pictures, videos; killed in the middle of a run, and started again).
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openai
import psutil
import pytest
from PIL import Image, ImageDraw

from mmkit import errors as tree
from mmkit.answers import Answer
from mmkit.client import Client
from mmkit.engine import Engine
from mmkit.errors import EngineFailed, InvalidArgument, LimitExceeded, SourceNotAllowed
from mmkit.messages import from_messages
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.realtime import listen, microphone
from mmkit.samples import MultiModalSample
from mmkit.serve import Server
from mmkit.zoo.worlds import speech
from tests.media_factory import CASES, sound

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
COLORS = {"red": (215, 40, 40), "green": (40, 165, 60), "blue": (45, 75, 215)}


def circle(color: str, x: int = 34) -> bytes:
    drawn = Image.new("RGB", (112, 112), "white")
    ImageDraw.Draw(drawn).ellipse((x, 34, x + 44, 78), fill=COLORS[color])
    stored = io.BytesIO()
    drawn.save(stored, "png")
    return stored.getvalue()


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def image_part(url: str) -> dict:
    return {"type": "image_url", "image_url": {"url": url}}


def audio_part(data: bytes) -> dict:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": "wav"}}


def body(*parts: dict, text: str = "What is it?", **more: object) -> dict:
    content = [*parts, {"type": "text", "text": text}]
    return {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 8, **more}


def post(server: Server, path: str, sent: object, kind: str = "application/json") -> tuple[int, str]:
    """Status and body of one request, by hand: the client library would not send what is hostile."""
    asked = http.client.HTTPConnection(server.host, server.port, timeout=120)
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    asked.request("POST", path, data, {"Content-Type": kind})
    answer = asked.getresponse()
    said = answer.read().decode()
    asked.close()
    return answer.status, said


def chat(server: Server, sent: object) -> tuple[int, str]:
    return post(server, "/v1/chat/completions", sent)


def assert_refused(status: int, said: str, name: str = "") -> None:
    """A 4xx with a clear message: one line that holds no address, no path and no payload."""
    assert 400 <= status < 500, (name, status, said[:300])
    message = json.loads(said)["error"]["message"]
    assert message, name
    assert "\n" not in message, name
    assert not re.search(r"0x[0-9a-f]{6,}|root:x:0|/tmp/|site-packages|Traceback", message), (name, message)


def resident(server: Server) -> float:
    """Memory of all its processes, in MB."""
    process = psutil.Process(server.process.pid)
    return sum(p.memory_info().rss for p in (process, *process.children(recursive=True))) / 1e6


def metric(server: Server, name: str) -> float:
    asked = http.client.HTTPConnection(server.host, server.port, timeout=30)
    asked.request("GET", "/metrics")
    text = asked.getresponse().read().decode()
    asked.close()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{name}{{"))


@pytest.fixture(scope="module")
def servers():
    """All three, starting side by side; stopped in less than 5 s, by themselves."""
    started = {name: Server(name) for name in ("tiny-omni", "tiny-whisper", "tiny-qwen2-vl")}
    yield started
    for server in started.values():
        alive = psutil.Process(server.process.pid).children(recursive=True) if server.process.poll() is None else []
        ready, begun = server.is_ready(), time.monotonic()
        assert server.stop() == 0 or not ready  # of some tests alone, one may still be starting
        while any(map(lives, alive)) and time.monotonic() - begun < 5:  # a killed process needs a moment to die
            time.sleep(0.05)
        assert time.monotonic() - begun < 5
        assert not list(filter(lives, alive))


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def omni(servers):
    return servers["tiny-omni"].wait()


@pytest.fixture(scope="module")
def whisper(servers):
    return servers["tiny-whisper"].wait()


@pytest.fixture(scope="module")
def qwen(servers):
    return servers["tiny-qwen2-vl"].wait()


# ------------------------------------------------------------------------------------ many clients, some hostile


def mixed(number: int) -> list[MultiModalSample]:
    """Questions about a picture, a clip, both, and neither."""
    rng = random.Random(5)
    clips = [DATA / name for name in ("red.flac", "three.flac", "stop.flac", "three_one_four.wav", "circle.flac")]
    samples = []
    for n in range(number):
        image, clip = circle(rng.choice(list(COLORS)), rng.randrange(8, 60, 6)), rng.choice(clips)
        samples.append(
            [
                MultiModalSample(rng.choice(["What color is the circle?", "Describe the image."]), images=(image,)),
                MultiModalSample("What is said?", audios=(clip,)),
                MultiModalSample("Is the spoken shape in the image?", images=(image,), audios=(clip,)),
                MultiModalSample(f"<|image|> number {n}, <|im_end|>?", images=(image,)),
            ][n % 4]
        )
    return samples


HOSTILE = [
    b"{",
    b"[]",
    {"messages": []},
    {"messages": [{"role": "tool", "content": "x"}]},
    body(image_part("file:///etc/passwd")),
    body(image_part("http://169.254.169.254/latest")),
    body(image_part(data_url(circle("red")[:200]))),
    body(audio_part(b"RIFF")),
    body(*[image_part(data_url(circle("red")))] * 9),
    body({"type": "video_url", "video_url": {"url": data_url(b"", "video/mp4")}}),
    body(text="word " * 9000),
    body(mm_processor_kwargs={"size": {}}),
    body(guided_choice=["red"]),
    body(n=1000),
    body(temperature=-3),
    body(model="gpt-4"),
]


def test_500_requests_of_16_clients_some_hostile(omni):
    good = mixed(475)
    rng = random.Random(6)
    with Engine("tiny-omni", quiet=True) as engine:
        expected = engine.answer(good, max_tokens=8)
    with Client(omni.url) as client:
        with ThreadPoolExecutor(16) as threads:  # caches and the memory of 16 at once are filled
            list(threads.map(lambda sample: client.answer([sample], max_tokens=8), good[:150]))
        before = resident(omni)
        jobs = [("good", n) for n in range(475)] + [("bad", n % len(HOSTILE)) for n in range(25)]
        rng.shuffle(jobs)

        def one(job: tuple[str, int]) -> object:
            kind, n = job
            return client.answer([good[n]], max_tokens=8)[0] if kind == "good" else chat(omni, HOSTILE[n])

        with ThreadPoolExecutor(16) as threads:
            results = list(threads.map(one, jobs))
    for (kind, n), result in zip(jobs, results, strict=True):
        if kind == "bad":
            assert_refused(*result, name=str(HOSTILE[n])[:80])
        else:
            assert isinstance(result, Answer), result
            assert (result.text, result.token_ids) == (expected[n].text, expected[n].token_ids)
            assert result.prompt_tokens == expected[n].prompt_tokens
            assert result.confidence == pytest.approx(expected[n].confidence, abs=1e-3)
    assert len({answer.text for answer in expected}) > 8, "the answers tell requests apart"
    assert metric(omni, "vllm:num_requests_running") == metric(omni, "vllm:num_requests_waiting") == 0
    assert resident(omni) - before < 150
    assert client_answers(omni)


def client_answers(server: Server) -> bool:
    with Client(server.url) as client:
        return client.ask("What color is the circle?", images=[circle("blue")]).text == "blue"


# ------------------------------------------------------------------------------------------- the hostile list


def encoded_cases(modality: str, folder: Path) -> list:
    """Rows of the table whose source is bytes or a URL, so that they can travel, and that are to be refused."""
    found = []
    for case in CASES:
        if case.reads != modality or not case.expected or case.options or case.row == 17:  # of permissions
            continue
        source = case.make(folder)
        if isinstance(source, (bytes, bytearray)):
            found.append((case, data_url(bytes(source), {"image": "image/png"}.get(modality, f"{modality}/x"))))
        elif isinstance(source, str) and re.match(r"[a-z]+:", source) and source.isprintable():
            found.append((case, source))
        elif isinstance(source, (str, Path)) and os.path.isfile(source) and os.path.getsize(source) < 4 << 20:
            found.append((case, data_url(Path(source).read_bytes(), f"{modality}/x")))
    return found


@pytest.mark.parametrize(("name", "modality"), [("omni", "image"), ("omni", "audio"), ("qwen", "video")])
def test_each_hostile_item_of_the_table_is_refused(request, name, modality, tmp_path):
    server = request.getfixturevalue(name)
    cases = encoded_cases(modality, tmp_path)
    assert len(cases) > {"image": 20, "audio": 10, "video": 6}[modality]
    for case, url in cases:
        status, said = chat(server, body({"type": f"{modality}_url", f"{modality}_url": {"url": url}}))
        assert_refused(status, said, case.id)
        refused = getattr(tree, json.loads(said)["error"]["type"])
        if url.startswith("data:"):
            assert issubclass(refused, (*case.expected, SourceNotAllowed)), (case.id, said[:200])
    assert client_answers(server)


def test_a_typed_control_token_is_text(omni):
    """With and without reserved strings in the question: the same number of items in the prompt, no error."""
    family = MultiModalPreprocessor("tiny-omni").family
    for string in family.reserved:
        status, said = chat(omni, body(image_part(data_url(circle("red"))), text=f"{string}{string}?"))
        assert status == 200, (string, said[:200])


@pytest.mark.parametrize(
    "path", ["/v1/completions", "/tokenize", "/v1/responses", "/invocations", "/docs", "/pause"]
)
def test_other_paths_are_closed(omni, path):
    assert_refused(*post(omni, path, {"prompt": "<|image|>", "input": "x"}))


def test_too_long_a_request_is_refused_while_it_comes(omni):
    status, said = chat(omni, body(text="x" * (33 << 20)))
    assert status == 413
    assert json.loads(said)["error"]["type"] == "SourceTooLarge"


def test_an_uuid_is_the_content_key_or_nothing(omni):
    key = MultiModalPreprocessor("tiny-omni").load("image", 0, circle("green")).key
    part = image_part(data_url(circle("green")))
    asked = {"text": "What color is the circle?"}
    assert '"green"' in chat(omni, body(part | {"uuid": key}, **asked))[1]
    assert '"green"' in chat(omni, body({"type": "image_url", "image_url": None, "uuid": key}, **asked))[1]
    assert_refused(*chat(omni, body(image_part(data_url(circle("red"))) | {"uuid": key}, **asked)))
    for unknown in ("0" * 40, "img-1", "../../x", 5, None):
        assert_refused(*chat(omni, body({"type": "image_url", "image_url": None, "uuid": unknown}, **asked)))


# --------------------------------------------------------------------------------------------------- the client


def test_the_client_is_the_engines_twin(qwen, tmp_path):
    scene = tmp_path / "scene.png"
    scene.write_bytes(circle("green"))
    Image.open(io.BytesIO(circle("red"))).convert("CMYK").save(tmp_path / "print.jpg")
    turned = Image.open(io.BytesIO(circle("blue", 8)))
    turned.save(tmp_path / "turned.jpg", exif=exif(6))
    samples = [
        MultiModalSample("What color is the circle?", (str(scene),)),
        MultiModalSample("Describe the image.", (str(tmp_path / "print.jpg"),)),
        MultiModalSample("Where is the circle?", (str(tmp_path / "turned.jpg"),)),
        MultiModalSample("Which image has a red circle?", (circle("red"), circle("blue"))),
        MultiModalSample("What happens?", videos=(str(DATA / "circle.mp4"),)),
        MultiModalSample("And now?", (circle("red"),), history=(("What color is the circle?", "red"),)),
        MultiModalSample("?", ("missing.png",)),
        MultiModalSample("?", (circle("red"),) * 9),
        tree.BadEncoding("a row that could not be read"),
    ]
    with Engine(quiet=True) as engine, Client(qwen.url) as client:
        ours, theirs = engine.answer(samples), client.answer(samples)
        for expected, found in zip(ours, theirs, strict=True):
            assert type(found) is type(expected), (found, expected)
            if isinstance(expected, Answer):
                assert (found.text, found.token_ids) == (expected.text, expected.token_ids)
                assert found.notes == expected.notes
        options = {"temperature": 2.0, "n": 3, "seed": 5}
        warm = client.ask("Describe the image.", images=[scene], **options)
        assert len(warm.others) == 2
        for wanted in ({"choice": ("blue", "green")}, {"regex": "[a-z]{4}"}, {"stop": "circle"}, {"max_tokens": 2}):
            asked = ("What color is the circle?",)
            assert (
                client.ask(*asked, images=[scene], **wanted).text
                == engine.ask(*asked, images=[scene], **wanted).text
            )
        assert (
            "".join(client.stream("Describe the image.", images=[scene])).strip()
            == client.ask("Describe the image.", images=[scene]).text
        )
        with pytest.raises(InvalidArgument, match="did you mean choice"):
            client.ask("?", guided_choice=["red"])
        with pytest.raises(LimitExceeded):
            client.ask("?", images=[scene] * 9)
        with pytest.raises(InvalidArgument, match="temperature"):
            client.ask("?", images=[scene], temperature=-1.0)


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[0x0112] = orientation
    return made.tobytes()


def test_a_wrong_model_and_no_server():
    with pytest.raises(EngineFailed, match="no server answers"):
        Client("http://127.0.0.1:9/v1", max_retries=0)


def test_from_messages_is_the_inverse_of_to_messages(qwen):
    preprocessor = MultiModalPreprocessor("tiny-qwen2-vl")
    sample = MultiModalSample(
        "And now?", (circle("red"), circle("blue")), system="Be short.", history=(("What is it?", "a circle"),)
    )
    messages = preprocessor.to_messages(sample)
    again = from_messages(messages)
    assert preprocessor.to_messages(again) == messages
    assert (again.text, again.system, again.history) == (sample.text, sample.system, sample.history)
    status, said = chat(qwen, {"messages": messages, "max_tokens": 4})
    assert status == 200, said
    qwen_form = [
        {"role": "user", "content": [{"type": "video", "video": "file:///a.mp4"}, {"type": "text", "text": "?"}]}
    ]
    assert from_messages(qwen_form).videos == ("/a.mp4",)
    for wrong in (
        [],
        [{"role": "assistant", "content": "x"}],
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
        [{"role": "user", "content": [{"type": "tool_result", "tool_result": 5}]}],
        [{"role": "user", "content": 5}],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": [image_part("a.png")]},
        ],
    ):
        with pytest.raises(tree.BadEncoding):
            from_messages(wrong)


# ------------------------------------------------------------------------------------------------ transcriptions


def test_transcriptions_in_every_form(whisper):
    clip = (DATA / "three_one_four.wav").read_bytes()
    with openai.OpenAI(base_url=whisper.url, api_key="none", max_retries=0) as client:

        def ask(**options: object) -> object:
            return client.audio.transcriptions.create(
                file=("a.wav", clip), model=whisper.name, temperature=0, **options
            )

        for given in ({}, {"language": "en"}):
            assert ask(**given).text.strip() == "three one four"
            assert ask(**given, response_format="json").text.strip() == "three one four"
            assert "three one four" in str(ask(**given, response_format="text"))
            pieces = [
                c.choices[0]["delta"]["content"] for c in ask(**given, stream=True) if getattr(c, "choices", 0)
            ]
            assert "".join(pieces).strip() == "three one four"
        for refused in ({"response_format": "verbose_json"}, {"language": "de"}, {"language": "english"},
                        {"response_format": "srt"}, {"response_format": "vtt"}, {"prompt": "<|prev|>"},
                        {"extra_body": {"to_language": "fr"}}, {"timestamp_granularities": ["word"]}):  # fmt: skip
            for given in ({}, {"language": "en"}):
                with pytest.raises(openai.APIStatusError) as caught:
                    ask(**given | refused)
                assert 400 <= caught.value.status_code < 500, refused
    assert_refused(*post(whisper, "/v1/audio/translations", b"", "multipart/form-data"))
    with Client(whisper.url) as client, Engine("tiny-whisper", quiet=True) as engine:
        for name in ("three_one_four.wav", "stop.flac", "yes_left_no_right.flac"):
            assert client.transcribe(DATA / name) == engine.transcribe(DATA / name).text


def test_hostile_uploads_are_refused(whisper, tmp_path):
    from mmkit.gateway import to_form

    for case in CASES:
        if case.reads == "audio" and case.expected and not case.options:
            source = case.make(tmp_path)
            if isinstance(source, (bytes, bytearray)):
                kind, sent = to_form({"file": bytes(source), "model": whisper.name})
                assert_refused(*post(whisper, "/v1/audio/transcriptions", sent, kind), name=case.id)
    for kind, sent in [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\n"),
        to_form({"model": whisper.name}),
        to_form({"file": "not a file"}),
        to_form({"file": sound(), "model": "other"}),
        to_form({"file": sound(), "chat_template": "x"}),
    ]:
        assert_refused(*post(whisper, "/v1/audio/transcriptions", sent, kind), name=str(sent)[:60])


# --------------------------------------------------------------------------------------------------------- live


@pytest.mark.skipif(not speech.have_espeak(), reason="espeak-ng is not installed")
def test_live_words_come_in_order_while_the_clip_is_played(omni):
    """20 clips of three words each by voices it never met, played at speed; the first words within a second."""
    rng = np.random.default_rng(11)
    words = speech.DIGITS + speech.COMMANDS
    said = speech.speak_all(list(speech.word_scripts(3, words, speech.TEST_VOICES, rng)))
    late = []

    def played(chosen: list[int], ends: list[float]):
        for i in chosen:
            wave = np.concatenate([np.zeros(4800, np.float32), said.wave(i), np.zeros(9600, np.float32)])
            spoken = len(wave) - 9600
            for start in range(0, len(wave), 1600):
                if not ends and start >= spoken:
                    ends.append(time.monotonic())
                time.sleep(0.1)
                yield wave[start : start + 1600]

    def one(chosen: list[int]) -> None:
        ends: list[float] = []
        heard = []
        for text in listen(omni.url, played(chosen, ends), model=omni.name):
            if not heard:
                late.append(time.monotonic() - ends[0])
            heard.append(text)
        assert heard == [" ".join(said.words[i]) for i in chosen]

    with ThreadPoolExecutor(5) as threads:  # five speakers at once
        clips = [rng.choice(len(said), 3, replace=False).tolist() for _ in range(20)]
        list(threads.map(one, clips))
    assert max(late) < 1.0


BROWSER = """
const sent = [], things = { hold: {}, said: {} }, ears = { port: {} };
const document = { getElementById: (name) => things[name] };
const navigator = { mediaDevices: { getUserMedia: async () => ({}) } };
class WebSocket { constructor(address) { sent.push({ address }); things.socket = this; }
                  send(text) { sent.push(JSON.parse(text)); } }
class AudioContext { audioWorklet = { addModule: async () => {} }; resume() {}
                     createMediaStreamSource() { return { connect() {} }; } }
class AudioWorkletNode { constructor() { return ears; } }
const wave = Float32Array.from(JSON.parse(require("fs").readFileSync(0)));
PAGE
setTimeout(() => {
  things.socket.onmessage({ data: JSON.stringify({ type: "session.created" }) });
  ears.port.onmessage({ data: wave.slice(0, 128) });  // the button is not held yet
  things.hold.onpointerdown();
  for (let i = 0; i + 128 <= wave.length; i += 128) ears.port.onmessage({ data: wave.slice(i, i + 128) });
  things.hold.onpointerup();
  ears.port.onmessage({ data: wave.slice(0, 128) });
  things.socket.onmessage({ data: JSON.stringify({ type: "transcription.done", text: "heard" }) });
  console.log(JSON.stringify([things.said.textContent, things.hold.disabled, ...sent]));
}, 50);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_microphone_page_speaks_the_protocol(omni):
    """Its own script, run by node around a browser's stand-ins; what it sends, the real server writes down."""
    from websockets.sync.client import connect

    from mmkit.audio import at_rate, load_audio

    wave = at_rate(load_audio(DATA / "three.flac"), 16_000).wave
    script = microphone(omni.url, omni.name).split("<script>")[1].split("</script>")[0]
    run = subprocess.run(
        ["node", "-e", BROWSER.replace("PAGE", script)], input=json.dumps(wave.tolist()),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said, disabled, opened, *events = json.loads(run.stdout)
    assert (said, disabled) == ("heard", False)
    assert opened["address"] == f"{omni.url.replace('http', 'ws', 1)}/realtime"
    with connect(opened["address"], proxy=None) as socket:
        for event in events:
            socket.send(json.dumps(event))
        while (heard := json.loads(socket.recv(timeout=30)))["type"] != "transcription.done":
            assert heard["type"] != "error", heard
    assert heard["text"].strip() == "three"


def test_live_nonsense_is_refused(omni):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = omni.url.replace("http", "ws", 1)
    with pytest.raises(InvalidStatus), connect(f"{address}/other", proxy=None):
        pass
    with connect(f"{address}/realtime", proxy=None) as socket:
        assert json.loads(socket.recv())["type"] == "session.created"
        append, commit = "input_audio_buffer.append", "input_audio_buffer.commit"
        events = [{"type": "x"}, {"type": append, "audio": "?"}, {"type": commit}]
        events.append({"type": "session.update", "model": "other"})
        for sent in ("{", *map(json.dumps, events)):
            socket.send(sent)
            assert json.loads(socket.recv())["type"] == "error", sent
    assert client_answers(omni)


# --------------------------------------------------------------------------------------------- kill and resume


def test_a_run_resumes_after_its_server_was_killed(servers, qwen, tmp_path):
    rows = [{"id": n, "text": "What color is the circle?", "images": [f"{n % 12}.png"]} for n in range(300)] + [
        {"id": "bad", "text": "?", "images": ["no.png"]}
    ]
    for n in range(12):
        (tmp_path / f"{n}.png").write_bytes(circle(list(COLORS)[n % 3], 4 * n + 8))
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    command = [sys.executable, "-m", "mmkit.cli", "answer", "in.jsonl", "out.jsonl", "--server", qwen.url]
    journal = tmp_path / "out.jsonl.journal"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 60):
            time.sleep(0.01)
        os.killpg(servers.pop("tiny-qwen2-vl").process.pid, signal.SIGKILL)
        _, said = run.communicate(timeout=120)
    assert run.returncode == 2, said
    assert said.strip().splitlines()[-1].startswith("mmkit: EngineFailed: no server answers"), said
    done = journal.read_bytes().count(b"\n")
    assert 60 < done < 300
    port = qwen.port
    qwen.stop()
    serve = [sys.executable, "-m", "mmkit.cli", "serve", "--port", str(port)]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as once_more:
        assert once_more.stdout.readline().strip() == qwen.url
        again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        processes = psutil.Process(once_more.pid).children(recursive=True)
        once_more.kill()  # as a notebook's kernel may be: vLLM's processes end all the same
        assert psutil.wait_procs(processes, timeout=8)[1] == []
    assert again.returncode == 1, again.stderr
    assert f"300 answers ({done} kept from an earlier run), 1 errors" in again.stderr
    keys = Counter(json.loads(line)["key"] for line in journal.read_text().splitlines())
    assert len(keys) == 300
    assert set(keys.values()) == {1}, "no row was answered twice"
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in out] == [row["id"] for row in rows]
    assert all(row["answer"] == list(COLORS)[row["id"] % 12 % 3] for row in out[:300])
    assert out[300]["error"]["type"] == "SourceNotFound"
