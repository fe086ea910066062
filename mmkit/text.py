"""Text: from characters to token ids and back, with nothing lost on the way.

    text -> clean_text -> CleanText (text, notes)
         -> BPE.encode: split -> bytes -> merges -> ids -> truncate or windows -> pad -> (ids, mask), positions
    corpus -> train -> BPE -> save, load (tokenizer.json)
    word -> longest_pieces (WordPiece)          chunk -> likeliest_pieces (Unigram): the other families' cuts

Follows Sennrich et al. (2016) for the merge rule, Radford et al. (2019, GPT-2) for bytes as the alphabet and
for the chunks that no merge crosses, and tokenizers for ties and for the file: what is trained, encoded and
decoded here is what `tokenizers` trains, encodes and decodes.
Leaves out training and files of other models than byte-level BPE, offsets, and templates that add tokens. Letters
newer than Unicode 16 may be cut into other chunks than tokenizers cuts them; they come back unharmed all the same.
"""

from __future__ import annotations

import heapq
import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import regex

from mmkit.errors import (
    BadEncoding,
    ContextOverflow,
    CorruptMedia,
    InvalidArgument,
    LimitExceeded,
    SourceNotFound,
    UnsupportedFormat,
    label,
)

MAX_CHARACTERS = 1_000_000  # a budget for one text, far above what a model's context holds
MAX_MARKS = 30  # combining marks in a row: the bound of Unicode's stream-safe text (UAX 15)

# --- cleaning --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CleanText:
    """Text that every later step can take, and what was found or repaired in it."""

    text: str
    notes: tuple[str, ...] = ()


def clean_text(
    source: str | bytes,
    *,
    nfc: bool = False,
    newlines: Literal["keep", "lf"] = "keep",
    max_characters: int = MAX_CHARACTERS,
) -> CleanText:
    """Make sure that text is valid Unicode, and change nothing that was not asked for.

    source: the text itself, or its bytes in UTF-8.  nfc: compose characters (Unicode normal form C).
    newlines: "keep", or "lf" for one sign at every line end.  Letters, case, punctuation and spaces always stay.
    Returns the text and notes: what was repaired on request, and what is unusual but kept.
    Raises BadEncoding (lone surrogate or broken UTF-8, with its position) and LimitExceeded (too long, or a
    pile of combining marks, whose normalisation takes quadratic time).

    >>> clean_text("Price:\\t-3.5 EUR, NOT 3.5!").text
    'Price:\\t-3.5 EUR, NOT 3.5!'
    >>> clean_text("e\\u0301", nfc=True)
    CleanText(text='é', notes=('composed to NFC: 2 characters became 1',))
    """
    text = _decoded(source)
    if len(text) > max_characters:
        raise LimitExceeded(
            f"{len(text)} characters are over the budget of {max_characters}; split the text or raise "
            "max_characters",
            modality="text",
        )
    surrogate = _SURROGATE.search(text)
    if surrogate:
        raise BadEncoding(
            f"lone surrogate U+{ord(surrogate.group()):04X} at character {surrogate.start()}; it is half of a "
            "character and has no UTF-8; decode the source again as UTF-16 or drop it knowingly",
            modality="text",
        )
    pile = _PILE.search(text) if nfc else None
    if pile:
        raise LimitExceeded(
            f"{len(pile.group())} combining marks in a row at character {pile.start()}; at most {MAX_MARKS} can "
            "be normalised",
            modality="text",
        )
    if newlines not in ("keep", "lf"):
        raise InvalidArgument(f"newlines is {newlines!r}; choose 'keep' or 'lf'")

    notes = []
    if newlines == "lf":
        text, changed = _CARRIAGE_RETURN.subn("\n", text)
        if changed:
            notes.append(f"{_times(changed, 'carriage return')} made a line feed")
    if nfc and not unicodedata.is_normalized("NFC", text):
        composed = unicodedata.normalize("NFC", text)
        notes.append(f"composed to NFC: {_times(len(text), 'character')} became {len(composed)}")
        text = composed
    for name, pattern in _UNUSUAL:
        found = list(pattern.finditer(text))
        if found:
            first = found[0]
            notes.append(f"{_times(len(found), name)} kept, first U+{ord(first.group()[0]):04X} at {first.start()}")
    return CleanText(text, tuple(notes))


_SURROGATE = regex.compile(r"[\ud800-\udfff]")
_PILE = regex.compile(rf"\p{{M}}{{{MAX_MARKS + 1},}}")
_CARRIAGE_RETURN = regex.compile(r"\r\n?")
_UNUSUAL = (
    ("byte order mark", regex.compile("\ufeff")),
    ("control character", regex.compile(r"[^\P{Cc}\t\n\r]")),
    ("bidirectional control", regex.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")),
    ("carriage return", regex.compile(r"\r")),
    ("long combining sequence", _PILE),
)


def _decoded(source: str | bytes) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        try:
            return bytes(source).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadEncoding(
                f"byte 0x{error.object[error.start]:02X} at {error.start} is not UTF-8; find out the encoding "
                "and decode the text with it",
                modality="text",
                cause=error,
            ) from error
    raise BadEncoding(f"text is a {type(source).__name__}, not str or bytes", modality="text")


def _times(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


# --- chunks and bytes ------------------------------------------------------------------------------------------

# No merge crosses a chunk's border. GPT-2's rule: a word with the space before it, a number, signs, or spaces.
GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# The same, with every digit alone: what Digits before ByteLevel does in a tokenizer.json (our tiny-qwen2-vl).
DIGITS_SPLIT = r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"


def split(text: str, pattern: str = GPT2_SPLIT) -> list[str]:
    """Cut text into the chunks that merges stay inside; joined again they are the text.

    Source: Radford et al. (2019), and their published encoder.

    >>> split("It's 20 cats, isn't it?")
    ['It', "'s", ' 20', ' cats', ',', ' isn', "'t", ' it', '?']
    """
    chunks = _compiled(pattern).findall(text)
    if sum(map(len, chunks)) != len(text):
        raise UnsupportedFormat(f"the pattern {pattern!r} skips characters of the text", modality="text")
    return chunks


@cache
def _compiled(pattern: str) -> regex.Pattern:
    return regex.compile(pattern)


@cache
def byte_characters() -> tuple[str, ...]:
    """The character that stands for each byte in a tokenizer.json: byte -> one printable character.

    JSON holds characters, not bytes, so GPT-2 gave every byte a sign of its own: printable Latin-1 stands for
    itself, the other 68 bytes for the characters from U+0100 on.  Returns 256 characters.

    >>> byte_characters()[ord("A")], byte_characters()[ord(" ")]
    ('A', 'Ġ')
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in printable else next(others)) for byte in range(256))


@cache
def alphabet() -> bytes:
    """The 256 bytes in the order of their first ids: that of their characters, as in tokenizers and GPT-2.

    >>> alphabet()[:3], alphabet()[-1]
    (b'!"#', 173)
    """
    return bytes(sorted(range(256), key=lambda byte: byte_characters()[byte]))


# --- the merge rule, as published ------------------------------------------------------------------------------

Pair = tuple[int, int]


def count_pairs(chunks: Iterable[Sequence[int]]) -> Counter[Pair]:
    """How often each pair of neighbours occurs, n(a, b), over all chunks; overlapping occurrences count.

    chunks: lists of ids.

    >>> count_pairs([[1, 2, 1, 2], [1, 2]]) == {(1, 2): 3, (2, 1): 1}
    True
    """
    return Counter(pair for ids in chunks for pair in pairwise(ids))


def best_pair(counts: Mapping[Pair, int]) -> Pair:
    """The pair to merge: argmax n(a, b); of equal counts the smallest ids, left one first, as tokenizers has it.

    Sennrich et al. (2016) leave ties open, so every library breaks them in its own way.

    >>> best_pair({(7, 1): 5, (3, 9): 5, (1, 1): 4})
    (3, 9)
    """
    return min(counts, key=lambda pair: (-counts[pair], pair))


def merge_pair(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace every occurrence of a pair by one new id, from left to right.

    >>> merge_pair([5, 5, 5, 6], (5, 5), 9)
    [9, 5, 6]
    """
    merged, at = [], 0
    while at < len(ids):
        here = tuple(ids[at : at + 2]) == pair
        merged.append(new if here else ids[at])
        at += 2 if here else 1
    return merged


def merges_by_recount(chunks: Iterable[bytes], number: int, *, min_count: int = 2) -> list[Pair]:
    """The specification of training: count all pairs, merge the best, count all again.

    chunks: of the corpus, in UTF-8.  Bytes have ids 0 to 255 in the order of `alphabet`, merges from 256 on.
    Returns at most `number` pairs; stops when the best occurs fewer than min_count times.
    Slow on purpose: `learn_merges` gives the same list.

    >>> merges_by_recount([b"aaab"], 2, min_count=1) == [(64, 64), (64, 65)]
    True
    """
    order = {byte: at for at, byte in enumerate(alphabet())}
    words = [[order[byte] for byte in chunk] for chunk in chunks]
    merges: list[Pair] = []
    while len(merges) < number and (counts := count_pairs(words)):
        pair = best_pair(counts)
        if counts[pair] < min_count:
            break
        words = [merge_pair(ids, pair, 256 + len(merges)) for ids in words]
        merges.append(pair)
    return merges


# --- training, fast --------------------------------------------------------------------------------------------

_BORDER, _GONE = -1, -2  # in the place of a symbol: the end of a chunk; swallowed by its left neighbour


def learn_merges(chunks: Mapping[bytes, int], number: int, *, min_count: int = 2) -> list[Pair]:
    """The merges of `merges_by_recount`, with counts kept up to date instead of counted anew.

    chunks: chunk in UTF-8 -> how often it occurs; equal chunks merge equally, so each is kept once, with a weight.

    A merge changes only the pairs beside it. So each pair remembers where it occurs, a merge visits just these
    places, and a heap hands out the most frequent pair; entries whose count has changed since are skipped.

    >>> learn_merges({b"aaab": 1}, 2, min_count=1) == [(64, 64), (64, 65)]
    True
    """
    order = {byte: at for at, byte in enumerate(alphabet())}
    symbol, weight = [_BORDER], [0]  # all chunks in one row, a border between two
    for chunk, times in chunks.items():
        symbol += [order[byte] for byte in chunk] + [_BORDER]
        weight += [times] * len(chunk) + [0]
    after = list(range(1, len(symbol) + 1))
    before = list(range(-1, len(symbol) - 1))

    counts: defaultdict[Pair, int] = defaultdict(int)
    places: defaultdict[Pair, list[int]] = defaultdict(list)
    for at, pair in enumerate(pairwise(symbol)):
        if pair[0] >= 0 and pair[1] >= 0:
            counts[pair] += weight[at]
            places[pair].append(at)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)

    merges: list[Pair] = []
    while heap and len(merges) < number:
        count, pair = heapq.heappop(heap)
        if counts[pair] != -count:
            continue
        if -count < min_count:
            break
        (a, b), new = pair, 256 + len(merges)
        merges.append(pair)
        change: defaultdict[Pair, int] = defaultdict(int)
        for at in sorted(places.pop(pair)):  # left to right: of "aaa" the first two merge
            if symbol[at] != a or symbol[after[at]] != b:
                continue
            second, times = after[at], weight[at]
            left, right = before[at], after[second]
            if symbol[left] >= 0:
                change[symbol[left], a] -= times
                change[symbol[left], new] += times
                places[symbol[left], new].append(left)
            if symbol[right] >= 0:
                change[b, symbol[right]] -= times
                change[new, symbol[right]] += times
                places[new, symbol[right]].append(at)
            symbol[at], symbol[second] = new, _GONE
            after[at], before[right] = right, at
        counts[pair] = 0
        change.pop(pair, None)
        for changed, by in change.items():
            counts[changed] += by
            if by and counts[changed] > 0:
                heapq.heappush(heap, (-counts[changed], changed))
    return merges


def train(
    texts: str | Iterable[str],
    merges: int,
    *,
    specials: Sequence[str] = (),
    min_count: int = 2,
    pattern: str = GPT2_SPLIT,
) -> BPE:
    """Learn a byte-level BPE tokenizer from text.

    texts: one or many.  merges: how many to learn at most; the vocabulary has len(specials) + 256 + merges ids, in
    that order.  specials: control strings such as "<|im_end|>", which get the first ids.
    min_count: a pair that occurs less often is not worth a token.
    Source: Sennrich et al. (2016), algorithm 1, on bytes.

    >>> train("low lower lowest", 3).merged()
    ['lo', 'low', ' low']
    """
    chunks: Counter[bytes] = Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        chunks.update(_utf8(chunk) for chunk in split(text, pattern))
    shift = len(specials)
    pairs = learn_merges(chunks, merges, min_count=min_count)
    tokens = [_utf8(special) for special in specials] + [bytes([byte]) for byte in alphabet()]
    for a, b in pairs:
        tokens.append(tokens[a + shift] + tokens[b + shift])
    if len(set(tokens)) < len(tokens):
        raise InvalidArgument("a control string stands there twice, or is one byte or a learned token")
    return BPE(
        tokens=tuple(tokens),
        merges=tuple((a + shift, b + shift) for a, b in pairs),
        specials={special: at for at, special in enumerate(specials)},
        pattern=pattern,
    )


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadEncoding(
            f"lone surrogate U+{ord(error.object[error.start]):04X} at character {error.start}; clean_text finds "
            "it before a tokenizer does",
            modality="text",
            cause=error,
        ) from error


# --- the tokenizer ---------------------------------------------------------------------------------------------

_CACHED_CHUNKS, _CACHED_LENGTH = 65_536, 64


@dataclass(frozen=True)
class BPE:
    """A byte-level BPE tokenizer: what each id stands for, and which pairs merge in which order.

    tokens: id -> its bytes.  merges: pairs of ids, the earliest learned first.  specials: control string -> id.
    pattern: how text is cut into chunks.  nfc: whether text is composed first (Qwen2 does).
    """

    tokens: tuple[bytes, ...]
    merges: tuple[Pair, ...]
    specials: Mapping[str, int]
    pattern: str = GPT2_SPLIT
    nfc: bool = False

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"BPE({len(self)} ids, {len(self.merges)} merges, {len(self.specials)} specials)"

    def merged(self) -> list[str]:
        """The tokens that training made, in their order; half characters are shown as U+FFFD."""
        return [(self.tokens[a] + self.tokens[b]).decode("utf-8", "replace") for a, b in self.merges]

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        """Text to token ids; the same as tokenizers' `encode(text, add_special_tokens=False).ids`.

        specials: whether control strings in the text become control tokens. Off by default, because text that
        a user typed is text; `tokenizers` has it always on. Raises BadEncoding on a lone surrogate.

        >>> train("low lower lowest", 3).encode("slow")
        [82, 257]
        """
        if not specials or not self.specials:
            return self._encode_text(text)
        ids: list[int] = []
        for at, piece in enumerate(self._special_strings.split(text)):  # every second piece is a special
            ids += [self.specials[piece]] if at % 2 else self._encode_text(piece)
        return ids

    def decode(self, ids: Iterable[int], *, specials: bool = True) -> str:
        """Token ids to text: join the bytes. `decode(encode(text)) == text` for every valid text.

        specials: whether control tokens show. A character that was cut in half shows as U+FFFD, as in
        tokenizers. Raises BadEncoding on an id outside the vocabulary.

        >>> bpe = train("low lower lowest", 3)
        >>> bpe.decode(bpe.encode("naïve 中文"))
        'naïve 中文'
        """
        hidden = () if specials else set(self.specials.values())
        kept = [int(each) for each in ids if each not in hidden]
        wrong = next((each for each in kept if not 0 <= each < len(self.tokens)), None)
        if wrong is not None:
            raise BadEncoding(
                f"id {wrong} is not among the {len(self)} of this tokenizer; was the text encoded with another?",
                modality="text",
            )
        return b"".join([self.tokens[each] for each in kept]).decode("utf-8", "replace")

    def _encode_text(self, text: str) -> list[int]:
        if self.nfc:
            text = unicodedata.normalize("NFC", text)
        ids: list[int] = []
        known = self._cache
        for chunk in split(text, self.pattern):
            found = known.get(chunk)
            if found is None:
                found = self._encode_chunk(_utf8(chunk))
                if len(chunk) <= _CACHED_LENGTH:
                    if len(known) >= _CACHED_CHUNKS:
                        known.clear()
                    known[chunk] = found
            ids += found
        return ids

    def _encode_chunk(self, data: bytes) -> list[int]:
        """Apply the earliest learned merge that fits, leftmost first, until none fits."""
        ids = [self._byte_ids[byte] for byte in data]
        ranks, end = self._ranks, len(ids)
        after = list(range(1, end + 1))
        before = list(range(-1, end - 1))
        pairs = pairwise(ids)
        heap = [(*ranks[pair], at) for at, pair in enumerate(pairs) if pair in ranks]
        heapq.heapify(heap)
        while heap:
            rank, new, at = heapq.heappop(heap)
            second = after[at]
            if second == end or ids[at] < 0 or (ids[at], ids[second]) != self.merges[rank]:
                continue  # one of the two has gone into another merge meanwhile
            ids[at], ids[second] = new, _GONE
            left, right = before[at], after[second]
            after[at] = right
            if right < end:
                before[right] = at
                if (new, ids[right]) in ranks:
                    heapq.heappush(heap, (*ranks[new, ids[right]], at))
            if left >= 0 and (ids[left], new) in ranks:
                heapq.heappush(heap, (*ranks[ids[left], new], left))
        return [each for each in ids if each >= 0]

    @cached_property
    def _cache(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _byte_ids(self) -> list[int]:
        controls = set(self.specials.values())
        single = {token: at for at, token in enumerate(self.tokens) if len(token) == 1 and at not in controls}
        return [single[bytes([byte])] for byte in range(256)]

    @cached_property
    def _ranks(self) -> dict[Pair, tuple[int, int]]:
        """pair -> (rank, id of what it merges to); a pair that is listed twice keeps its last rank."""
        controls = set(self.specials.values())
        ids = {token: at for at, token in enumerate(self.tokens) if at not in controls}
        return {
            pair: (rank, ids[self.tokens[pair[0]] + self.tokens[pair[1]]]) for rank, pair in enumerate(self.merges)
        }

    @cached_property
    def _special_strings(self) -> regex.Pattern:
        longest_first = sorted(self.specials, key=len, reverse=True)
        return regex.compile("(" + "|".join(map(regex.escape, longest_first)) + ")")

    def save(self, path: str | os.PathLike) -> None:
        """Write a `tokenizer.json` that tokenizers and transformers open.

        path: the file, or an existing folder to put `tokenizer.json` in.
        """
        file = _tokenizer_file(path)
        file.write_text(json.dumps(self._as_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")

    def _as_json(self) -> dict:
        by_rule = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
        cut = {"type": "Split", "pattern": {"Regex": self.pattern}, "behavior": "Isolated", "invert": False}
        pieces = [cut, {**by_rule, "use_regex": False}]
        gpt2 = self.pattern == GPT2_SPLIT  # then the file can say so in one word
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {
                    "id": at,
                    "content": special,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                    "special": True,
                }
                for special, at in self.specials.items()
            ],
            "normalizer": {"type": "NFC"} if self.nfc else None,
            "pre_tokenizer": {**by_rule, "use_regex": True}
            if gpt2
            else {"type": "Sequence", "pretokenizers": pieces},
            "post_processor": None,
            "decoder": {**by_rule, "use_regex": True},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": {self._written(at): at for at in range(len(self))},
                "merges": [[self._written(a), self._written(b)] for a, b in self.merges],
            },
        }

    def _written(self, each: int) -> str:
        if each in self.specials.values():
            return self.tokens[each].decode("utf-8")
        return "".join(byte_characters()[byte] for byte in self.tokens[each])


def load(path: str | os.PathLike) -> BPE:
    """Read a byte-level BPE tokenizer from a `tokenizer.json`, a model's own or one of ours.

    path: the file, or a model folder that holds it.
    Raises SourceNotFound, CorruptMedia (not such a file), UnsupportedFormat (another kind of tokenizer).
    """
    file = _tokenizer_file(path)
    try:
        described = json.loads(file.read_bytes())
    except OSError as error:
        raise SourceNotFound(
            "no tokenizer.json is there to read", source=label(path), modality="text", cause=error
        ) from error
    except ValueError as error:
        raise CorruptMedia(
            "the file is not JSON in UTF-8", source=label(path), modality="text", cause=error
        ) from error
    try:
        return _from_json(described)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, regex.error) as error:
        raise CorruptMedia(
            "the file does not describe a byte-level BPE tokenizer completely",
            source=label(path),
            modality="text",
            cause=error,
        ) from error
    except UnsupportedFormat as error:
        raise error.at(source=label(path)) from None


def _tokenizer_file(path: str | os.PathLike) -> Path:
    file = Path(path)
    return file / "tokenizer.json" if file.is_dir() else file


def _from_json(described: dict) -> BPE:
    model, normalizer = described["model"], described.get("normalizer") or {}
    _supported(model.get("type", "BPE") == "BPE", f"a {model.get('type')} model")
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"):
        _supported(not model.get(key), f"{key} = {model.get(key)!r}")
    _supported(normalizer.get("type") in (None, "NFC"), f"a {normalizer.get('type')} normalizer")
    added = described.get("added_tokens", [])
    _supported(
        not any(each.get(key) for each in added for key in ("single_word", "lstrip", "rstrip")),
        "control strings that swallow spaces",
    )
    byte_of = {character: byte for byte, character in enumerate(byte_characters())}
    specials = {each["content"]: each["id"] for each in added}
    tokens: dict[int, bytes] = {at: _utf8(special) for special, at in specials.items()}
    ids = {}
    for written, at in model["vocab"].items():
        ids[written] = at
        if at not in tokens:
            tokens[at] = bytes([byte_of[character] for character in written])
    if sorted(tokens) != list(range(len(tokens))) or not set(byte_of) <= set(ids):
        raise InvalidArgument("the ids have gaps, or a byte has no token")
    merges = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    bpe = BPE(
        tokens=tuple(tokens[at] for at in range(len(tokens))),
        merges=tuple((ids[a], ids[b]) for a, b in merges),
        specials=specials,
        pattern=_pattern_of(described["pre_tokenizer"]),
        nfc=bool(normalizer),
    )
    bpe._ranks  # noqa: B018  a merge that has no token to merge to is a KeyError here, not at the first encode
    return bpe


def _pattern_of(described: dict) -> str:
    """The chunk rule of a file's pre-tokenizer."""
    steps = described.get("pretokenizers", [described])
    byte_level = steps[-1]
    _supported(
        byte_level["type"] == "ByteLevel" and not byte_level.get("add_prefix_space"),
        "another pre-tokenizer than plain ByteLevel",
    )
    if len(steps) == 1 and byte_level.get("use_regex", True):
        return GPT2_SPLIT
    first = steps[0]
    if len(steps) == 2 and first["type"] == "Digits" and first["individual_digits"] and byte_level["use_regex"]:
        return DIGITS_SPLIT
    _supported(
        len(steps) == 2 and first["type"] == "Split" and not byte_level.get("use_regex", True),
        "more than one rule to cut chunks by",
    )
    _supported(first["behavior"] == "Isolated" and not first["invert"], "a Split that drops what it finds")
    pattern = first["pattern"]["Regex"]
    _compiled(pattern)
    return pattern


def _supported(condition: bool, found: str) -> None:
    if not condition:
        raise UnsupportedFormat(
            f"the file has {found}; mmkit.text reads plain byte-level BPE, take tokenizers for others",
            modality="text",
        )


# --- the other families: the same words, cut by another rule ----------------------------------------------------


def longest_pieces(
    word: str, vocabulary: Collection[str], *, prefix: str = "##", unknown: str = "[UNK]", limit: int = 100
) -> list[str]:
    """WordPiece: from left to right, always the longest piece that the vocabulary has.

    word: without spaces.  prefix: marks pieces that do not begin a word.  A word with a part that no piece covers,
    or longer than `limit` characters, is `unknown` as a whole.
    Source: Devlin et al. (2018, BERT), and tokenizers' WordPiece.

    >>> longest_pieces("tokens", {"to", "token", "##s", "##kens"}), longest_pieces("tokam", {"to", "token"})
    (['token', '##s'], ['[UNK]'])
    """
    if len(word) > limit:
        return [unknown]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        begin = prefix if start else ""
        known = (end for end in range(len(word), start, -1) if begin + word[start:end] in vocabulary)
        end = next(known, None)
        if end is None:
            return [unknown]
        pieces.append(begin + word[start:end])
        start = end
    return pieces


UNKNOWN_PENALTY = (
    10.0  # SentencePiece's: a character that no piece covers costs this much more than the worst piece
)


def likeliest_pieces(chunk: str, scores: Mapping[str, float]) -> list[str]:
    """Unigram: of all ways to cut a chunk, the one whose pieces have the largest product of probabilities.

    chunk: text that no piece crosses; SentencePiece writes a space as U+2581 before it cuts.
    scores: piece -> the logarithm of its probability.  Characters without a piece come back as they stand,
    neighbours of this kind joined.
    Viterbi's algorithm: the best way to each place is the best way to an earlier place and one more piece.
    Source: Kudo (2018), and tokenizers' Unigram.

    >>> likeliest_pieces("abab", {"a": -1.0, "b": -1.0, "ab": -1.5, "aba": -2.5})
    ['ab', 'ab']
    """
    longest, worst = max(map(len, scores)), min(scores.values()) - UNKNOWN_PENALTY
    best = [(0.0, 0)]  # place -> (score of the best way to it, where its last piece begins)
    for end in range(1, len(chunk) + 1):
        ways = [(best[end - 1][0] + scores.get(chunk[end - 1], worst), end - 1)]
        for start in range(max(0, end - longest), end - 1):
            if chunk[start:end] in scores:
                ways.append((best[start][0] + scores[chunk[start:end]], start))
        best.append(max(ways, key=lambda way: (way[0], -way[1])))  # of equals the longer last piece
    pieces: list[str] = []
    end = len(chunk)
    while end:
        start = best[end][1]
        piece = chunk[start:end]
        if pieces and piece not in scores and pieces[-1] not in scores:
            pieces[-1] = piece + pieces[-1]
        else:
            pieces.append(piece)
        end = start
    return pieces[::-1]


# --- batches ---------------------------------------------------------------------------------------------------


def truncate(
    ids: Sequence[int],
    limit: int,
    *,
    placeholders: Collection[int] = (),
    keep: Literal["start", "end"] = "start",
) -> list[int]:
    """At most `limit` ids, from the start or the end, but never without a placeholder.

    placeholders: ids that stand for an item. An item whose placeholder is cut off has no place to go, and the
    model would answer about nothing: that is ContextOverflow, whose message says what would be lost.

    >>> truncate([1, 2, 3, 4], 3), truncate([1, 2, 3, 4], 3, keep="end")
    ([1, 2, 3], [2, 3, 4])
    """
    if limit < 0 or keep not in ("start", "end"):
        raise InvalidArgument(f"limit is {limit}, keep is {keep!r}; choose 0 or more, and 'start' or 'end'")
    ids = list(ids)
    excess = len(ids) - limit
    if excess <= 0:
        return ids
    kept, cut = (ids[:limit], ids[limit:]) if keep == "start" else (ids[excess:], ids[:excess])
    lost = sum(each in placeholders for each in cut)
    if lost:
        raise ContextOverflow(
            f"{len(ids)} tokens do not fit in {limit}, and cutting would remove {lost} of "
            f"{sum(each in placeholders for each in ids)} placeholder tokens; shrink or drop the item, or "
            "shorten the text",
            modality="text",
        )
    return kept


def windows(ids: Sequence[int], length: int, *, overlap: int = 0) -> list[list[int]]:
    """A long text as windows of at most `length` ids, each repeating the last `overlap` ids of the one before.

    overlap: what tokenizers calls `stride`. Nothing is cut away, and a name on a border is whole in one of the two.
    Raises InvalidArgument unless 0 <= overlap < length.

    >>> windows([1, 2, 3, 4, 5, 6, 7], 4, overlap=1)
    [[1, 2, 3, 4], [4, 5, 6, 7]]
    """
    if not 0 <= overlap < length:
        raise InvalidArgument(f"overlap is {overlap}, length is {length}; choose an overlap from 0 to {length - 1}")
    last = max(len(ids) - overlap, 1)  # a window that begins here or later would repeat, and add nothing
    return [list(ids[start : start + length]) for start in range(0, last, length - overlap)]


@dataclass(frozen=True)
class Padded:
    """A batch of unequal lengths as one rectangle."""

    ids: np.ndarray  # (B, T) int64
    mask: np.ndarray  # (B, T) int64: 1 for a token, 0 for padding


def pad(
    sequences: Iterable[Sequence[int]],
    *,
    pad_id: int,
    side: Literal["left", "right"],
    length: int | None = None,
) -> Padded:
    """Fill sequences up to one length T, and mark in the mask what is real.

    sequences: B lists of ids.  pad_id: the filler.  side: "left" for generation, where the next token follows the
    last column; "right" for training and embedding.  length: T; left out, the longest sequence's.
    Raises LimitExceeded if a sequence is longer than `length`: padding never cuts.

    >>> pad([[5, 6, 7], [8]], pad_id=0, side="left")
    Padded(ids=array([[5, 6, 7],
           [0, 0, 8]]), mask=array([[1, 1, 1],
           [0, 0, 1]]))
    """
    if side not in ("left", "right"):
        raise InvalidArgument(f"side is {side!r}; choose 'left' or 'right'")
    rows = [list(sequence) for sequence in sequences]
    longest = max(map(len, rows), default=0)
    width = longest if length is None else length
    if longest > width:
        at = next(at for at, row in enumerate(rows) if len(row) > width)
        raise LimitExceeded(
            f"{len(rows[at])} tokens are more than the length {width}; truncate first", index=at, modality="text"
        )
    ids = np.full((len(rows), width), pad_id, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for at, row in enumerate(rows):
        real = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[at, real], mask[at, real] = row, 1
    return Padded(ids, mask)


def positions(mask: np.ndarray) -> np.ndarray:
    """Which place each token of a padded batch has in its own text: padding is not counted.

    mask: (B, T) 1 for a token and 0 for padding.  Returns (B, T) int64; padding has 0, which the mask hides.
    A model with learned positions (GPT-2, OPT) needs them under left padding. transformers' `generate` makes them
    from the mask, its `forward` does not.

    >>> positions(np.array([[0, 0, 1, 1, 1]]))
    array([[0, 0, 0, 1, 2]])
    """
    return np.maximum(np.cumsum(mask, axis=1) - 1, 0)
