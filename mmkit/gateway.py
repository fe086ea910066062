"""Gateway: what stands between strangers and vLLM's server, as an ASGI middleware inside of it.

    request -> is its path open? -> is it small enough, is there room? -> is each field known?
            -> each item decoded and checked, each text neutralized, as the offline engine does -> vLLM

So a request gets the answer that the offline engine gives, and whatever is wrong with it is a 4xx with mmkit's
typed error, before vLLM's own code sees it. Started by serve.py with `--middleware mmkit.gateway.Gateway`, vLLM's
own way to put something in front of its server.
Leaves out who may ask (VLLM_API_KEY, which vLLM checks) and encryption (a proxy's).
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from threading import Thread
from typing import Any

from mmkit.errors import (
    BadEncoding,
    InvalidArgument,
    LimitExceeded,
    MmkitError,
    ModelNotFound,
    SourceNotAllowed,
    SourceTooLarge,
)
from mmkit.messages import plain
from mmkit.modalities import HANDLERS
from mmkit.preprocessor import MultiModalPreprocessor
from mmkit.samples import Item

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

READABLE = ("/health", "/ping", "/version", "/metrics", "/v1/models")
CHAT, EMBEDDINGS, TRANSCRIPTIONS = "/v1/chat/completions", "/v1/embeddings", "/v1/audio/transcriptions"
REALTIME = "/v1/realtime"
SAMPLING = (
    "max_tokens", "max_completion_tokens", "min_tokens", "temperature", "top_p", "top_k", "min_p", "n", "seed",
    "stop", "stop_token_ids", "ignore_eos", "presence_penalty", "frequency_penalty", "repetition_penalty",
    "logit_bias", "bad_words", "structured_outputs", "response_format",
)  # fmt: skip
FIELDS = {
    CHAT: ("model", "messages", "user", "stream", "stream_options", "logprobs", "top_logprobs", "return_token_ids",
           *SAMPLING),
    EMBEDDINGS: ("model", "input", "messages", "user", "encoding_format"),
    TRANSCRIPTIONS: ("file", "model", "language", "response_format", "stream", "stream_include_usage",
                     "temperature", "seed", "top_p", "max_completion_tokens"),
}  # fmt: skip
MODALITY_OF = {"image_url": "image", "input_audio": "audio", "audio_url": "audio", "video_url": "video"}
TEXTS = ("text", "input_text")
ROLES = ("system", "user", "assistant")
KEY = re.compile(r"[0-9a-f]{40}")  # media.content_key
STATUS = {SourceTooLarge: 413, ModelNotFound: 404}  # else 400


@dataclass(frozen=True)
class Rules:
    """What a gateway lets through."""

    model: str  # shipped name, folder or hub name
    served_as: str  # the name that requests use
    max_items: tuple[tuple[str, int], ...] = (("image", 8), ("audio", 4), ("video", 1))  # of a request
    max_model_len: int = 4096
    max_bytes: int = 32 << 20  # of a request's body
    max_requests: int = 64  # at once; more get 429, and come again
    max_n: int = 8  # answers to one request
    workers: int = 2  # threads that decode
    trust_remote_code: bool = False

    def to_environment(self) -> dict[str, str]:
        """As the environment variable from which the server's process reads them."""
        return {"MMKIT_GATEWAY": json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Rules:
        """The rules that `to_environment` wrote."""
        known = json.loads(os.environ["MMKIT_GATEWAY"])
        return cls(**known | {"max_items": tuple(map(tuple, known["max_items"]))})


class Gateway:
    """ASGI middleware; vLLM makes it with the application behind it."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]):
        self.app = app
        self.rules = Rules.from_environment()
        preprocessor = MultiModalPreprocessor(
            self.rules.model,
            max_items=dict(self.rules.max_items),
            max_model_len=self.rules.max_model_len,
            trust_remote_code=self.rules.trust_remote_code,
        )
        self.cleaner = Cleaner(preprocessor, self.rules)
        self.threads = ThreadPoolExecutor(self.rules.workers, thread_name_prefix="gateway")
        self.inside = 0  # requests; counted by the event loop alone
        Thread(target=end_with, args=(os.getppid(),), daemon=True).start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, path = scope["type"], scope.get("path", "")
        if kind == "websocket":
            await self._websocket(scope, receive, send)
        elif kind != "http" or (path in READABLE and scope["method"] == "GET"):
            await self.app(scope, receive, send)
        elif path not in self.cleaner.paths or scope["method"] != "POST":
            opened = ", ".join((*READABLE, *self.cleaner.paths))
            await refuse(send, 404, "NotFound", f"{ascii(path)[1:60]} is closed here; open are {opened}")
        elif self.inside >= self.rules.max_requests:
            await refuse(send, 429, "TooManyRequests", f"{self.inside} requests are in work; come again")
        else:
            self.inside += 1
            try:
                await self._checked(scope, receive, send)
            finally:
                self.inside -= 1

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != REALTIME or self.inside >= self.rules.max_requests:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: a 403
            return
        self.inside += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.inside -= 1

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, headers = scope["path"], {name.decode("latin-1"): value for name, value in scope["headers"]}
        kind = headers.get("content-type", b"application/json").decode("latin-1")
        try:
            body = await whole_body(receive, self.rules.max_bytes)
            if body is None:
                return  # the client has gone
            loop = asyncio.get_running_loop()
            kind, body = await loop.run_in_executor(self.threads, self.cleaner.clean, path, kind, body)
        except MmkitError as error:
            await refuse(send, STATUS.get(type(error), 400), error.code, str(error))
            return
        replaced = {"content-type": kind, "content-length": str(len(body))}
        kept = [(n, v) for n, v in scope["headers"] if n.decode("latin-1") not in (*replaced, "transfer-encoding")]
        added = [(name.encode(), value.encode()) for name, value in replaced.items()]
        await self.app({**scope, "headers": kept + added}, body_then(body, receive), send)


def end_with(parent: int) -> None:
    """End this process once its parent has: a notebook whose kernel was killed leaves no server behind."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


class Cleaner:
    """Requests as vLLM may see them: what the offline engine would make of the same text and items."""

    def __init__(self, preprocessor: MultiModalPreprocessor, rules: Rules):
        self.preprocessor, self.family, self.rules = preprocessor, preprocessor.family, rules
        style = {"encoder_decoder": TRANSCRIPTIONS, "dual_encoder": EMBEDDINGS}
        self.paths = (style.get(self.family.style, CHAT),)

    def clean(self, path: str, kind: str, body: bytes) -> tuple[str, bytes]:
        """The content type and body for vLLM.  Raises a typed error for whatever is wrong with them."""
        if path == TRANSCRIPTIONS:
            return self._transcription(kind, body)
        try:
            request = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BadEncoding(f"the body is not JSON: {type(error).__name__}", cause=error) from error
        if not isinstance(request, dict):
            raise BadEncoding(f"the body is a JSON {type(request).__name__}, not an object")
        self._check_fields(path, request)
        numbers = dict.fromkeys(HANDLERS, 0)
        clocks: list[dict[str, Any]] = []
        if path == CHAT or "messages" in request:
            request["messages"] = [self._message(m, numbers, clocks) for m in _list(request, "messages")]
        if "input" in request:
            texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
            request["input"] = [plain(text, self.family, []) for text in texts]
        if clocks:
            request["media_io_kwargs"] = {"video": clocks[0]}
        return "application/json", json.dumps(request).encode()

    def _check_fields(self, path: str, fields: dict[str, Any]) -> None:
        unknown = [name for name in fields if name not in FIELDS[path]]
        if unknown:
            raise InvalidArgument(
                f"the field {ascii(unknown[0])[:60]} is closed or unknown; {path} takes {', '.join(FIELDS[path])}"
            )
        if fields.get("model", self.rules.served_as) != self.rules.served_as:
            raise ModelNotFound(f"no model {ascii(fields['model'])[:60]}; here is {self.rules.served_as}")
        n = fields.get("n") or 1
        if not isinstance(n, int) or n > self.rules.max_n:
            raise LimitExceeded(f"n is {ascii(n)[:20]}; at most {self.rules.max_n} answers to one request")

    # ----------------------------------------------------------------------------------------------- messages

    def _message(self, message: Any, numbers: dict[str, int], clocks: list) -> dict[str, Any]:
        """One message, its content in the same order."""
        if not isinstance(message, dict) or set(message) - {"role", "content", "name"}:
            raise BadEncoding('a message is an object of "role" and "content"')
        if message.get("role") not in ROLES:
            raise BadEncoding(f"a message's role is one of {', '.join(ROLES)}")
        content = message.get("content")
        if not isinstance(content, list):
            return {"role": message["role"], "content": plain(content, self.family, [])}
        return {"role": message["role"], "content": [self._part(part, numbers, clocks) for part in content]}

    def _part(self, part: Any, numbers: dict[str, int], clocks: list) -> dict[str, Any]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in TEXTS:
            return {"type": "text", "text": plain(part.get("text"), self.family, [])}
        if kind not in MODALITY_OF:
            raise BadEncoding(f"a content part's type is one of text, {', '.join(MODALITY_OF)}")
        modality = MODALITY_OF[kind]
        index = numbers[modality]
        numbers[modality] += 1
        allowed = self.preprocessor.max_items.get(modality, index + 1) if modality in self.family.modalities else 0
        if index >= allowed:
            raise LimitExceeded(f"at most {allowed} {modality} items in a request")
        if part.get(kind) is None and part.get("uuid") is not None:
            if not KEY.fullmatch(str(part["uuid"])):
                raise InvalidArgument(f"{modality} {index}: a uuid is the content key of what was sent before")
            return {"type": kind, kind: None, "uuid": part["uuid"]}  # its key is the proof
        try:
            return self._item(modality, _source(part, kind), part.get("uuid"), clocks)
        except MmkitError as error:
            raise error.at(index=index, modality=modality) from error.cause

    def _item(self, modality: str, source: str, uuid: str | None, clocks: list) -> dict[str, Any]:
        """A part whose item was decoded and checked: the very pixels, samples or frames of the offline engine."""
        guard, recipe = self.preprocessor.guard, self.family.recipes.get(modality)
        item = HANDLERS[modality].load(source, recipe, guard)
        if uuid not in (None, item.key):
            raise InvalidArgument("uuid is not the item's key; vLLM would answer about what first came under it")
        if modality == "video":
            part, clock = frames_part(item)
            if clocks:
                raise LimitExceeded("one video in a request: vLLM takes one clock for all")
            clocks.append(clock)
        elif modality == "image" and source.startswith("data:image/png;") and not item.notes:
            part = {
                "type": "image_url",
                "image_url": {"url": source},
            }  # nothing was repaired: no need to pack it anew
        else:
            part = HANDLERS[modality].part(item, source, guard)
        return {**part, "uuid": item.key}

    # ------------------------------------------------------------------------------------------ transcriptions

    def _transcription(self, kind: str, body: bytes) -> tuple[str, bytes]:
        """A form with the clip as WAV, and the language filled in where the model knows only one."""
        import soundfile

        from mmkit.audio import at_rate, load_audio

        fields = form_fields(kind, body)
        self._check_fields(TRANSCRIPTIONS, fields)
        if not isinstance(fields.get("file"), bytes):
            raise BadEncoding('the form has no file named "file"')
        known = set(self.preprocessor.tokenizer.get_vocab())
        languages = sorted(re.findall(r"<\|([a-z]{2,3})\|>", " ".join(known)))
        wanted = fields.get("language") or (languages[0] if len(languages) == 1 else None)
        if wanted is not None and wanted not in languages:
            raise InvalidArgument(f"language {ascii(wanted)[:20]}; this model knows {', '.join(languages)}")
        if fields.get("response_format") == "verbose_json" and "<|0.00|>" not in known:
            raise InvalidArgument("verbose_json needs times, and this model writes none; ask for json or text")
        rate = self.family.recipes["audio"].sample_rate
        clip = at_rate(load_audio(fields["file"], **self.preprocessor.guard.options), rate)
        packed = io.BytesIO()
        soundfile.write(packed, clip.wave, rate, format="WAV", subtype="FLOAT")
        return to_form(fields | {"file": packed.getvalue()} | ({"language": wanted} if wanted else {}))


def frames_part(item: Item) -> tuple[dict[str, Any], dict[str, Any]]:
    """A video as the frames that the recipe chose, each a PNG, and their clock.

    vLLM reads "video/jpeg" as pictures in base64, one after the other, and opens each by what it is.
    """
    from PIL import Image

    frames, metadata = item.value
    packed = []
    for frame in frames:
        stored = io.BytesIO()
        Image.fromarray(frame).save(stored, "PNG", compress_level=1)
        packed.append(base64.b64encode(stored.getvalue()).decode())
    clock = {name: metadata[name] for name in ("fps", "frames_indices", "total_num_frames", "duration")}
    url = f"data:video/jpeg;base64,{','.join(packed)}"
    return {"type": "video_url", "video_url": {"url": url}}, {**clock, "num_frames": -1}


def _source(part: dict[str, Any], kind: str) -> str:
    """The data: URL of a part.  Raises SourceNotAllowed for any other address."""
    given = part.get(kind)
    if kind == "input_audio":
        data = given.get("data") if isinstance(given, dict) else None
        if not isinstance(data, str):
            raise BadEncoding('input_audio is {"data": base64, "format": ...}')
        return f"data:audio/wav;base64,{data}"
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str):
        raise BadEncoding(f'{kind} is {{"url": "data:..."}}')
    if not url.startswith("data:"):
        raise SourceNotAllowed("no address is opened here, of a host or a file; send the content, as a data: URL")
    return url


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(fields.get(name), list) or not fields[name]:
        raise BadEncoding(f"{name} is not a list with something in it")
    return fields[name]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


# ---------------------------------------------------------------------------------------------------- forms


def form_fields(kind: str, body: bytes) -> dict[str, Any]:
    """The fields of a multipart form: files as bytes, others as text.  Raises BadEncoding."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body)
    if message.get_content_type() != "multipart/form-data" or not message.is_multipart():
        raise BadEncoding("the body is no multipart form")
    return dict(_fields(message))


def _fields(message: Message) -> Iterator[tuple[str, Any]]:
    parts: Any = message.get_payload()
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise BadEncoding("the form has a part without a name")
        try:
            yield name, content if part.get_filename() is not None else content.decode()
        except UnicodeDecodeError as error:
            raise BadEncoding(f"the field {ascii(name)[:60]} is not UTF-8", cause=error) from error


def to_form(fields: dict[str, Any]) -> tuple[str, bytes]:
    """The content type and body of a form; bytes go as files.

    >>> to_form({"language": "en"})[1].splitlines()[1]
    b'Content-Disposition: form-data; name="language"'
    """
    boundary = os.urandom(16).hex()
    pieces = []
    for name, value in fields.items():
        file = '; filename="clip.wav"' if isinstance(value, bytes) else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        pieces += [head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, f"--{boundary}--\r\n".encode()])


# ----------------------------------------------------------------------------------------------------- ASGI


async def whole_body(receive: Receive, max_bytes: int) -> bytes | None:
    """The body of a request; None where the client has gone.  Raises SourceTooLarge once it is longer."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise SourceTooLarge(f"the request is longer than {max_bytes:,} bytes")
        if not message.get("more_body"):
            return b"".join(pieces)


def body_then(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives this body once, and then what the client does next."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return received


async def refuse(send: Send, status: int, kind: str, message: str) -> None:
    """An error in the form that OpenAI's clients read."""
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": status}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
