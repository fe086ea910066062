"""Realtime: speech as it comes, written down while the speaker goes on.

    chunks of sound (a microphone, or a file played at speed) -> utterances, cut at pauses
        -> vLLM's /v1/realtime, a websocket -> the words of each

    for words in listen("http://127.0.0.1:8000/v1", chunks):
        print(words)

    microphone("http://127.0.0.1:8000/v1", model)    a page for a browser: hold the button, speak, read

Follows vLLM 0.32's events, not OpenAI's: session.update, input_audio_buffer.append and .commit go there,
transcription.delta and .done come back. An utterance is sent while it is spoken; its words come once the pause
after it is long enough. Finds pauses by energy; leaves out voices that speak at once, and echo.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mmkit.errors import BackendMissing, EngineFailed

SAMPLE_RATE = 16_000  # Hz; of the protocol
FRAME = 320  # samples: 20 ms


def utterances(
    chunks: Iterable[np.ndarray],
    *,
    above_noise: float = 9.0,
    quietest: float = -45.0,
    pause: float = 0.3,
    before: float = 0.15,
) -> Iterator[np.ndarray | None]:
    """The frames of what is said, each as soon as it is known to belong to it, and None where an utterance ends.

    chunks: (T,) float32 of any lengths, full scale 1, at 16 kHz.  A frame of 20 ms is speech if its level, in dB of
    full scale, is above `quietest` and `above_noise` over the lowest of the last three seconds. An utterance begins
    `before` seconds ahead of its first such frame and ends after `pause` seconds without one.

    >>> loud, still = np.full(3200, 0.5, np.float32), np.zeros(8000, np.float32)
    >>> frames = list(utterances([still, loud, still, loud, still]))
    >>> [place for place, frame in enumerate(frames) if frame is None], len(frames)
    ([33, 67], 68)
    """
    ahead: deque[np.ndarray] = deque(maxlen=round(before * SAMPLE_RATE / FRAME))
    levels = deque([-100.0], maxlen=3 * SAMPLE_RATE // FRAME)  # as if silence came before
    speaking, still = False, 0
    for frame in _frames(chunks):
        level = 10 * np.log10(float(np.mean(np.square(frame, dtype=np.float64))) + 1e-10)
        levels.append(level)
        loud = level > max(quietest, min(levels) + above_noise)
        if not speaking and not loud:
            ahead.append(frame)
            continue
        if not speaking:
            yield from ahead
            ahead.clear()
            speaking, still = True, 0
        yield frame
        still = 0 if loud else still + 1
        if still * FRAME >= pause * SAMPLE_RATE:
            yield None
            speaking = False
    if speaking:
        yield None


def _frames(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same sound in frames of 20 ms; the last is filled up with silence."""
    rest = np.zeros(0, np.float32)
    for chunk in chunks:
        rest = np.concatenate([rest, np.asarray(chunk, np.float32)])
        whole = len(rest) // FRAME * FRAME
        yield from rest[:whole].reshape(-1, FRAME)
        rest = rest[whole:]
    if len(rest):
        yield np.pad(rest, (0, FRAME - len(rest)))


def listen(
    url: str, chunks: Iterable[np.ndarray], *, model: str | None = None, seconds: float = 30.0
) -> Iterator[str]:
    """The words of each utterance, as soon as the pause after it is heard.

    url: of the server, ending in /v1.  chunks: (T,) float32 at 16 kHz, as they come.
    model: its name there (default: the one that the server has).  seconds: the longest wait for words.
    Raises BackendMissing without the websockets library, EngineFailed where the server does not answer or refuses.
    """
    try:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
    except ImportError as error:
        raise BackendMissing("realtime needs a websocket: pip install websockets", cause=error) from error
    if model is None:
        from mmkit.client import Client

        with Client(url) as client:
            model = client.model
    try:
        with connect(f"{url.replace('http', 'ws', 1)}/realtime", proxy=None) as socket:
            _expect(socket, "session.created", seconds)
            socket.send(json.dumps({"type": "session.update", "model": model}))
            started = False
            for frame in utterances(chunks):
                if frame is not None:
                    if not started:
                        socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
                        started = True
                    socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": _pcm(frame)}))
                else:
                    socket.send(json.dumps({"type": "input_audio_buffer.commit", "final": True}))
                    started = False
                    yield _expect(socket, "transcription.done", seconds)["text"].strip()
    except (OSError, WebSocketException) as error:  # TimeoutError is an OSError
        raise EngineFailed(f"no realtime server answers at {url}: {type(error).__name__}", cause=error) from error


def _pcm(frame: np.ndarray) -> str:
    """Samples as the protocol has them: 16 bits, in base64."""
    return base64.b64encode((np.clip(frame, -1, 1) * 32767).astype("<i2").tobytes()).decode()


def _expect(socket: Any, kind: str, seconds: float) -> dict[str, Any]:
    """The next event of this kind.  Raises EngineFailed for an error among those before it."""
    while True:
        event = json.loads(socket.recv(timeout=seconds))
        if event["type"] == "error":
            raise EngineFailed(f"the server refuses: {event.get('error')}")
        if event["type"] == kind:
            return event


def microphone(url: str, model: str) -> str:
    """HTML with a button: the browser's microphone goes to the server while it is held down, the words come back.

    url: of the server, ending in /v1, as the browser reaches it.  model: its name there.  In a notebook:
    `IPython.display.HTML(microphone(server.url, server.name))`. A browser gives its microphone only to a page of
    this machine or of https. The sound goes to that one address and is kept nowhere.
    """
    return PAGE.replace("ADDRESS", json.dumps(f"{url.replace('http', 'ws', 1)}/realtime")).replace(
        "MODEL", json.dumps(model)
    )


PAGE = """\
<button id="hold" disabled>hold and speak</button> <output id="said"></output>
<script>
(async () => {
  const button = document.getElementById("hold"), said = document.getElementById("said");
  const socket = new WebSocket(ADDRESS);
  const send = (event) => socket.send(JSON.stringify(event));
  const base64 = (floats) => {
    const pcm = new DataView(new ArrayBuffer(2 * floats.length));
    floats.forEach((x, i) => pcm.setInt16(2 * i, 32767 * Math.max(-1, Math.min(1, x)), true));
    return btoa(String.fromCharCode(...new Uint8Array(pcm.buffer)));
  };
  let speaking = false;
  socket.onclose = () => { said.textContent = "the server has gone"; button.disabled = true; };
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.type === "session.created") send({ type: "session.update", model: MODEL });
    if (event.type === "transcription.done") said.textContent = event.text;
    if (event.type === "error") said.textContent = "refused: " + JSON.stringify(event.error);
  };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext({ sampleRate: 16000 });
  const tap = "registerProcessor('tap', class extends AudioWorkletProcessor {"
    + "process([[mono]]) { if (mono) this.port.postMessage(mono); return true; } });";
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([tap], { type: "text/javascript" })));
  const ears = new AudioWorkletNode(context, "tap");
  ears.port.onmessage = ({ data }) => {
    if (speaking) send({ type: "input_audio_buffer.append", audio: base64(data) });
  };
  context.createMediaStreamSource(microphone).connect(ears);
  button.onpointerdown = () => {
    context.resume();
    send({ type: "input_audio_buffer.commit" });
    speaking = true;
  };
  button.onpointerup = () => {
    speaking = false;
    send({ type: "input_audio_buffer.commit", final: true });
  };
  button.disabled = false;
})();
</script>
"""
