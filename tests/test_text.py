"""Text: cleaning changes only what was asked; BPE is tokenizers' BPE; batches are by hand.

Oracles: a worked example by hand (Wikipedia's), a naive recount written here, `tokenizers` (trainer, encoder,
decoder, its own reading of our file), transformers (opens our file, pads), numpy-free padding by hand.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from mmkit import text
from mmkit.errors import (
    BadEncoding,
    ContextOverflow,
    CorruptMedia,
    InvalidArgument,
    LimitExceeded,
    MediaError,
    SourceNotFound,
    UnsupportedFormat,
)

rng = random.Random(4)
QWEN2_SPLIT = (  # a published pattern that differs from GPT-2's in everything that a pattern can do
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ENGLISH = "The quick brown fox doesn't count 1234 sheep, it's counting 56; \t\n  they've slept.\r\n" * 3 + " ".join(
    "".join(rng.choices("etaoinshr", k=rng.randrange(1, 7))) for _ in range(1500)
)
CHINESE = "".join(
    "".join(
        rng.choices("数据预处理的一是不了人我在有他这为之大来以个中上们图像语音文本模型", k=rng.randrange(3, 12))
    )
    + rng.choice("，。！")
    for _ in range(300)
)
STRESS = (
    "a" * 501 + " " + "ab" * 200 + " " + "aab" * 77 + "\n" * 31 + " aaaa" * 9 + " abcabcab" * 13 + "\u00e9" * 50
)
CORPORA = {"english": ENGLISH, "chinese": CHINESE, "stress": STRESS}
GRADED = [
    "",
    "?",
    " ",
    "hello world",
    "naïve café",
    "Don't! It's 3.14 < -2.5e-3\t\r\n\n  x",
    "数据 预处理，多模态。",
    "👩‍🚀 emoji 🇨🇳",
    "\u0301 lone accent, \u200b zero width, \ufeff mark",
    "\x00\x01 control",
    "<|image_pad|> is only text",
    "a" * 3000,
    ENGLISH[:2000] + CHINESE[:500],
]
# Characters that Python knows: tokenizers (Unicode 16) and regex (newer) agree on all of them, see below.
KNOWN = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=60)
WORDY = st.text(st.sampled_from("aab eE'st  \n\t1.2中文é\u0301👩\u200d🚀<|"), max_size=60)


def chunks_of(corpus: str) -> Counter[bytes]:
    return Counter(chunk.encode() for chunk in text.split(corpus))


def naive_merges(corpus: str, number: int, min_count: int) -> list[tuple[str, str]]:
    """The published rule, without any of mmkit: strings of byte characters, all counted again each time."""
    signs = bytes_to_unicode()
    tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [list(piece) for piece, _ in tokenizer.pre_tokenize_str(corpus)]
    ids = {sign: at for at, sign in enumerate(sorted(signs.values()))}
    merges = []
    while len(merges) < number:
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        a, b = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))
        if counts[a, b] < min_count:
            break
        for word in words:
            at = 0
            while at < len(word) - 1:
                if word[at] == a and word[at + 1] == b:
                    word[at : at + 2] = [a + b]
                at += 1
        ids[a + b] = len(ids)
        merges.append((a, b))
    return merges


def bytes_to_unicode() -> dict[int, str]:
    """transformers' own table of byte characters."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode as table

    return table()


def trained_by_tokenizers(corpus: str, number: int, min_count: int = 2) -> Tokenizer:
    oracle = Tokenizer(models.BPE())
    oracle.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    oracle.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + number,
        min_frequency=min_count,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    oracle.train_from_iterator([corpus], trainer)
    return oracle


def written(bpe: text.BPE) -> list[tuple[str, str]]:
    signs = bytes_to_unicode()
    return [tuple("".join(signs[byte] for byte in bpe.tokens[each]) for each in pair) for pair in bpe.merges]


@pytest.fixture(scope="module")
def ours() -> text.BPE:
    return text.train([ENGLISH, CHINESE], 400, specials=["<|end|>", "<|image_pad|>", "<|image_pad|><|end|>"])


@pytest.fixture(scope="module")
def oracle(ours, tmp_path_factory) -> Tokenizer:
    """tokenizers, reading the file that we wrote."""
    path = tmp_path_factory.mktemp("saved") / "tokenizer.json"
    ours.save(path)
    return Tokenizer.from_file(str(path))


# --- cleaning ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", GRADED)
def test_cleaning_harms_nothing(source):
    assert text.clean_text(source).text == source
    assert text.clean_text(source.encode()).text == source


@given(st.text())
def test_cleaning_keeps_all_valid_text(source):
    try:
        valid = bool(source.encode("utf-8")) or not source
    except UnicodeEncodeError as error:
        with pytest.raises(BadEncoding, match=f"at character {error.start}"):
            text.clean_text(source)
        return
    assert valid
    assert text.clean_text(source).text == source
    assert text.clean_text(source, nfc=True, newlines="lf").text == unicodedata.normalize(
        "NFC", source.replace("\r\n", "\n").replace("\r", "\n")
    )


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("\ud800", r"lone surrogate U\+D800 at character 0"),
        ("good \udfff", r"U\+DFFF at character 5"),
        (b"caf\xe9", "byte 0xE9 at 3 is not UTF-8"),
        (b"\xff\xfeh\x00i\x00", "byte 0xFF at 0"),
        (b"\xed\xa0\x80", "byte 0xED at 0"),  # a surrogate, encoded in spite of all
        (b"\xc0\x80", "byte 0xC0 at 0"),  # an overlong NUL
        (b"\xe4\xb8", "byte 0xE4 at 0"),  # a Chinese character cut in half
        (None, "NoneType, not str or bytes"),
        (3, "int, not str or bytes"),
    ],
)
def test_broken_text_is_an_error_with_its_position(source, match):
    with pytest.raises(BadEncoding, match=match) as caught:
        text.clean_text(source)
    assert caught.value.modality == "text"


@pytest.mark.parametrize(
    ("source", "options", "expected", "notes"),
    [
        ("a\r\nb\rc\n", {"newlines": "lf"}, "a\nb\nc\n", ["2 carriage returns made a line feed"]),
        ("a\r\nb", {}, "a\r\nb", ["1 carriage return kept, first U+000D at 1"]),
        ("\ufeffhi", {}, "\ufeffhi", ["1 byte order mark kept, first U+FEFF at 0"]),
        ("a\x00b\x07", {}, "a\x00b\x07", ["2 control characters kept, first U+0000 at 1"]),
        ("tab\tand\n", {}, "tab\tand\n", []),
        ("\u202eevil", {}, "\u202eevil", ["1 bidirectional control kept, first U+202E at 0"]),
        ("e\u0301", {"nfc": True}, "é", ["composed to NFC: 2 characters became 1"]),
        ("e\u0301", {}, "e\u0301", []),
        ("\u2126", {"nfc": True}, "\u03a9", ["composed to NFC: 1 character became 1"]),
        ("a" + "\u0301" * 40, {}, "a" + "\u0301" * 40, ["1 long combining sequence kept, first U+0301 at 1"]),
    ],
)
def test_repairs_and_oddities_are_noted(source, options, expected, notes):
    assert text.clean_text(source, **options) == text.CleanText(expected, tuple(notes))


def test_budgets():
    with pytest.raises(LimitExceeded, match="1000001 characters are over the budget of 1000000"):
        text.clean_text("a" * 1_000_001)
    with pytest.raises(LimitExceeded, match="100000 combining marks in a row at character 1"):
        text.clean_text("a" + "\u0301\u0316" * 50_000, nfc=True)
    with pytest.raises(ValueError, match="newlines"):
        text.clean_text("a", newlines="crlf")


# --- chunks and bytes ----------------------------------------------------------------------------------------


def test_byte_characters_are_gpt2s():
    assert dict(enumerate(text.byte_characters())) == bytes_to_unicode()
    assert sorted(text.alphabet()) == list(range(256))


@pytest.mark.parametrize("pattern", [text.GPT2_SPLIT, QWEN2_SPLIT])
@given(source=KNOWN | WORDY)
def test_chunks_equal_tokenizers(pattern, source):
    cut = pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(source)
    assert text.split(source, pattern) == [piece for piece, _ in cut]


@given(source=KNOWN | WORDY)
@example(source="a  5 6\n7 b²Ⅷ")
def test_digits_alone_equals_tokenizers(source):
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    cut = pre_tokenizers.Sequence(steps).pre_tokenize_str(source)
    signs = text.byte_characters()
    chunks = text.split(source, text.DIGITS_SPLIT)
    assert ["".join(signs[byte] for byte in chunk.encode()) for chunk in chunks] == [piece for piece, _ in cut]


def test_both_engines_know_the_same_letters():
    """Every character that this Python knows is cut alike, so "equal to tokenizers" holds for all real text."""
    known = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    line = "".join(f"{character}\x00" for character in known)  # NUL is neither letter, number nor space
    oracle = pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}+|\s+|[^\s\p{L}\p{N}]+"), "isolated")
    assert text.split(line, r"\p{L}+|\p{N}+|\s+|[^\s\p{L}\p{N}]+") == [s for s, _ in oracle.pre_tokenize_str(line)]


def test_a_pattern_that_skips_characters_is_refused():
    with pytest.raises(UnsupportedFormat, match="skips characters"):
        text.split("ab", "a")


# --- training ------------------------------------------------------------------------------------------------


def test_wikipedias_example_by_hand():
    """aaabdaaabac -> ZabdZabac (Z = aa) -> ZYdZYac (Y = ab) -> XdXac (X = ZY).

    After Z, ab and Za occur twice each: a tie. The smaller ids win, a before Z, as in the article.
    """
    bpe = text.train("aaabdaaabac", 3)
    assert bpe.merged() == ["aa", "ab", "aaab"]
    assert bpe.decode([bpe.encode("aaabdaaabac")[0]]) == "aaab"
    assert len(bpe.encode("aaabdaaabac")) == 5  # XdXac


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("min_count", [1, 2])
def test_merges_equal_naive_recount_and_tokenizers(name, min_count):
    corpus = CORPORA[name]
    number = 150
    chunks = chunks_of(corpus)
    fast = text.learn_merges(chunks, number, min_count=min_count)
    assert fast == text.merges_by_recount(chunks.elements(), number, min_count=min_count)
    bpe = text.train(corpus, number, min_count=min_count)
    assert written(bpe) == naive_merges(corpus, number, min_count)
    by_tokenizers = json.loads(trained_by_tokenizers(corpus, number, min_count).to_str())["model"]["merges"]
    assert written(bpe) == [tuple(pair) for pair in by_tokenizers]


@settings(max_examples=150)
@given(st.lists(st.text("aab ", max_size=30), max_size=4), st.integers(1, 3))
@example(["aaa"], 1)
@example(["aaaa aaa"], 1)
@example(["abab", "baba"], 1)
def test_random_corpora_have_the_same_merges(texts, min_count):
    chunks = Counter(chunk.encode() for each in texts for chunk in text.split(each))
    fast = text.learn_merges(chunks, 40, min_count=min_count)
    assert fast == text.merges_by_recount(chunks.elements(), 40, min_count=min_count)


def test_training_stops_where_nothing_repeats():
    assert text.train("", 10).merges == ()
    assert text.train("abcdefg", 10).merges == ()
    assert len(text.train("abab", 10, min_count=1).merges) == 2  # ab, abab: then one token is left


def test_many_texts_are_separate_chunks():
    assert text.train(["ab"] * 3, 5).merged() == ["ab"]
    assert text.train("ababab", 1).merged() == ["ab"]


def test_control_strings_come_first_and_are_unique():
    bpe = text.train("aa aa", 1, specials=["<a>", "<b>"])
    assert bpe.tokens[:2] == (b"<a>", b"<b>")
    assert bpe.specials == {"<a>": 0, "<b>": 1}
    assert bpe.tokens[-1] == b"aa"
    for specials in (["<a>", "<a>"], ["a"], ["aa"]):
        with pytest.raises(InvalidArgument, match="control string"):
            text.train("aa aa", 1, specials=specials)


# --- encoding and decoding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", GRADED)
def test_encode_equals_tokenizers(source, ours, oracle):
    assert ours.encode(source, specials=True) == oracle.encode(source).ids
    assert ours.decode(ours.encode(source)) == source


@settings(max_examples=400)
@given(source=KNOWN | WORDY)
@example(source="<|image_pad|><|end|> <|end|><|image_pad|>")
def test_random_unicode_equals_tokenizers(source, ours, oracle):
    ids = ours.encode(source, specials=True)
    assert ids == oracle.encode(source).ids
    assert ours.decode(ids) == source == oracle.decode(ids, skip_special_tokens=False)


@settings(max_examples=300)
@given(source=st.text(st.characters(exclude_categories=["Cs"])))
def test_round_trip_of_all_valid_text(source, ours):
    assert ours.decode(ours.encode(source)) == source


@settings(max_examples=300)
@given(data=st.data())
def test_decoding_any_ids_equals_tokenizers(data, ours, oracle):
    """Random ids are mostly broken UTF-8: the replacement characters must be the same, too."""
    ids = data.draw(st.lists(st.integers(0, len(ours) - 1), max_size=30))
    assert ours.decode(ids) == oracle.decode(ids, skip_special_tokens=False)
    assert ours.decode(ids, specials=False) == oracle.decode(ids)


def test_typed_control_strings_stay_text_unless_asked(ours):
    typed = "see <|image_pad|>!"
    control = ours.specials["<|image_pad|>"]
    assert control not in ours.encode(typed)
    assert control in ours.encode(typed, specials=True)
    assert ours.decode(ours.encode(typed)) == typed
    assert ours.decode(ours.encode(typed, specials=True), specials=False) == "see !"


def test_errors_of_encoding():
    bpe = text.train("abab", 1)
    with pytest.raises(BadEncoding, match="lone surrogate U\\+DC00 at character 0"):
        bpe.encode("\udc00")
    for wrong in (-1, 257, 10**9):
        with pytest.raises(BadEncoding, match=f"id {wrong} is not among the 257"):
            bpe.decode([65, wrong])
    assert bpe.decode(np.array([64, 65])) == "ab"


def test_one_long_chunk_takes_no_quadratic_time():
    """A chunk of 200,000 letters: quadratic work would be 40 billion steps and run into the time limit."""
    bpe = text.train("aaaa aaaa", 2)
    assert bpe.encode("a" * 200_000) == [bpe.encode("aaaa")[0]] * 50_000


def test_the_cache_changes_nothing(ours):
    fresh = text.BPE(ours.tokens, ours.merges, ours.specials)
    first = fresh.encode(ENGLISH)
    first.append(0)
    assert fresh.encode(ENGLISH) == ours.encode(ENGLISH)


# --- the file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [text.GPT2_SPLIT, text.DIGITS_SPLIT, QWEN2_SPLIT])
@pytest.mark.parametrize("nfc", [False, True])
def test_saved_file_is_read_by_tokenizers_and_by_us(tmp_path, pattern, nfc):
    trained = text.train([ENGLISH, CHINESE], 60, specials=["<|end|>"], pattern=pattern)
    bpe = text.BPE(trained.tokens, trained.merges, trained.specials, pattern, nfc)
    bpe.save(tmp_path)
    again = text.load(tmp_path)
    assert again == bpe
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for source in [*GRADED, "e\u0301 <|end|> 2024 年\n\n x"]:
        assert again.encode(source, specials=True) == theirs.encode(source).ids


def test_saved_file_opens_in_transformers(tmp_path, ours):
    from transformers import PreTrainedTokenizerFast

    ours.save(tmp_path / "tokenizer.json")
    fast = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), pad_token="<|end|>")
    for source in GRADED:
        assert fast(source)["input_ids"] == ours.encode(source, specials=True)
    rows = [ours.encode(source) for source in GRADED if source]
    for side in ("left", "right"):
        fast.padding_side = side
        batch = fast.pad({"input_ids": rows}, return_tensors="np")
        padded = text.pad(rows, pad_id=ours.specials["<|end|>"], side=side)
        np.testing.assert_array_equal(padded.ids, batch["input_ids"])
        np.testing.assert_array_equal(padded.mask, batch["attention_mask"])


def test_file_trained_by_tokenizers_is_read(tmp_path):
    theirs = trained_by_tokenizers(ENGLISH, 200)
    theirs.save(str(tmp_path / "tokenizer.json"))
    mine = text.load(tmp_path)
    for source in GRADED:
        assert mine.encode(source) == theirs.encode(source).ids
    described = json.loads(theirs.to_str())
    described["model"]["merges"] = [
        " ".join(pair) for pair in described["model"]["merges"]
    ]  # as older files have it
    (tmp_path / "old.json").write_text(json.dumps(described), "utf-8")
    assert text.load(tmp_path / "old.json") == mine


@pytest.mark.parametrize("name", ["tiny-qwen2-vl", "tiny-qwen2-audio"])
def test_shipped_models_are_read(name):
    folder = Path(__file__).parents[1] / "data" / "models" / name
    if not (folder / "tokenizer.json").is_file():
        pytest.skip(f"{name} is not trained yet")
    mine, theirs = text.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    for source in [*GRADED, "3 red circles, 12 blue\n\n 7 ²  squares ", *mine.specials]:
        assert mine.encode(source, specials=True) == theirs.encode(source, add_special_tokens=False).ids
        assert mine.decode(mine.encode(source)) == source


def change(described: dict, path: str, value) -> dict:
    *parents, last = path.split(".")
    inner = described
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return described


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("model.type", "WordPiece", UnsupportedFormat),
        ("model.byte_fallback", True, UnsupportedFormat),
        ("normalizer", {"type": "Lowercase"}, UnsupportedFormat),
        ("pre_tokenizer", {"type": "Whitespace"}, UnsupportedFormat),
        ("pre_tokenizer.add_prefix_space", True, UnsupportedFormat),
        ("pre_tokenizer.use_regex", False, UnsupportedFormat),
        ("model.vocab", {"a": 0}, CorruptMedia),
        ("model.merges", [["a", "zzz"]], CorruptMedia),
        ("model.merges", [["q", "x"]], CorruptMedia),
        ("model.merges", 3, CorruptMedia),
        ("model", None, CorruptMedia),
        ("added_tokens", [{"content": "<x>", "id": 9999}], CorruptMedia),
    ],
)
def test_other_files_are_refused_by_type(tmp_path, path, value, error):
    described = json.loads(trained_by_tokenizers("abab abab", 5).to_str())
    (tmp_path / "tokenizer.json").write_text(json.dumps(change(described, path, value)), "utf-8")
    with pytest.raises(error) as caught:
        text.load(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(SourceNotFound, match=r"no tokenizer\.json"):
        text.load(tmp_path)
    for content in (b"", b"{", b"\xff", b"[]", b"{}"):
        (tmp_path / "tokenizer.json").write_bytes(content)
        with pytest.raises(CorruptMedia):
            text.load(tmp_path)


# --- the other families ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wordpiece():
    """tokenizers' WordPiece, trained on English: its alphabet has no Chinese and no emoji."""
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.train_from_iterator(
        [ENGLISH], trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]"], show_progress=False)
    )
    return library


@pytest.mark.parametrize("source", GRADED)
def test_longest_pieces_equal_tokenizers(source, wordpiece):
    vocabulary = wordpiece.get_vocab()
    words = [word for word, _ in wordpiece.pre_tokenizer.pre_tokenize_str(source)]
    ours = [piece for word in words for piece in text.longest_pieces(word, vocabulary)]
    assert ours == wordpiece.encode(source).tokens


@given(word=st.text("abtheing", min_size=1, max_size=12))
def test_longest_pieces_of_random_words(word, wordpiece):
    assert text.longest_pieces(word, wordpiece.get_vocab()) == wordpiece.encode(word).tokens


def test_wordpiece_by_hand():
    vocabulary = {"un", "una", "##ffable", "##aff", "##able"}
    assert text.longest_pieces("unaffable", vocabulary) == ["una", "##ffable"]  # greedy: not un ##aff ##able
    assert text.longest_pieces("una", vocabulary) == ["una"]
    assert text.longest_pieces("unable to", vocabulary) == ["[UNK]"]
    assert text.longest_pieces("", vocabulary) == []


@pytest.fixture(scope="module")
def unigram():
    """Pieces and scores as tokenizers' trainer learns them from both languages, and the library itself."""
    library = Tokenizer(models.Unigram())
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    options = {"unk_token": "<unk>", "special_tokens": ["<unk>"], "show_progress": False}
    library.train_from_iterator([ENGLISH, CHINESE], trainers.UnigramTrainer(vocab_size=300, **options))
    vocabulary = json.loads(library.to_str())["model"]["vocab"]
    return library, {piece: score for piece, score in vocabulary if piece != "<unk>"}


@given(source=st.text("abthe ing数据", max_size=30) | KNOWN)
@example(source="👩‍🚀 emoji, twice: 👩‍🚀👩‍🚀")
def test_likeliest_pieces_equal_tokenizers(source, unigram):
    library, scores = unigram
    chunks = [chunk for chunk, _ in library.pre_tokenizer.pre_tokenize_str(source)]
    ours = [piece for chunk in chunks for piece in text.likeliest_pieces(chunk, scores)]
    assert ours == library.encode(source).tokens


def test_unigram_by_hand():
    scores = {"a": -1.0, "b": -1.0, "ab": -1.5, "aba": -2.4}
    assert text.likeliest_pieces("aba", scores) == ["aba"]  # -2.4 against -2.5 for ab, a and -3 for a, b, a
    assert text.likeliest_pieces("aba", {**scores, "aba": -2.6}) == ["ab", "a"]
    assert text.likeliest_pieces("xaxx", scores) == ["x", "a", "xx"]
    assert text.likeliest_pieces("", scores) == []


# --- batches -------------------------------------------------------------------------------------------------


def test_padding_by_hand():
    left = text.pad([[5, 6, 7], [], [8]], pad_id=1, side="left")
    assert left.ids.tolist() == [[5, 6, 7], [1, 1, 1], [1, 1, 8]]
    assert left.mask.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]
    right = text.pad([[5, 6, 7], [8]], pad_id=1, side="right", length=4)
    assert right.ids.tolist() == [[5, 6, 7, 1], [8, 1, 1, 1]]
    assert right.mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert text.pad([], pad_id=0, side="left").ids.shape == (0, 0)
    assert left.ids.dtype == left.mask.dtype == np.int64
    with pytest.raises(LimitExceeded, match="3 tokens are more than the length 2") as caught:
        text.pad([[1], [1, 2, 3]], pad_id=0, side="left", length=2)
    assert caught.value.index == 1
    with pytest.raises(ValueError, match="side"):
        text.pad([[1]], pad_id=0, side="both")


@given(st.lists(st.lists(st.integers(1, 9), max_size=7), max_size=5), st.sampled_from(["left", "right"]))
def test_the_mask_gives_the_sequences_back(rows, side):
    padded = text.pad(rows, pad_id=0, side=side)
    assert [ids[mask == 1].tolist() for ids, mask in zip(padded.ids, padded.mask, strict=True)] == rows


@given(
    st.lists(st.integers(0, 9), max_size=40),
    st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))),
)
def test_windows_equal_tokenizers(ids, shape):
    length, overlap = shape
    library = Tokenizer(models.WordLevel({str(n): n for n in range(10)}, unk_token="0"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.enable_truncation(max_length=length, stride=overlap)
    first = library.encode(" ".join(map(str, ids)))
    assert text.windows(ids, length, overlap=overlap) == [first.ids, *(each.ids for each in first.overflowing)]


def test_windows_that_cannot_be():
    for length, overlap in ((4, 4), (4, -1), (0, 0)):
        with pytest.raises(InvalidArgument, match="choose an overlap"):
            text.windows([1, 2, 3], length, overlap=overlap)


@pytest.mark.parametrize("side", ["left", "right"])
def test_positions_equal_transformers_own(side):
    """The oracle is what `generate` makes of the mask, caught on its way into a tiny GPT-2."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokens = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=12, n_positions=16, **tokens))
    padded = text.pad([[5, 6, 7], [8]], pad_id=0, side=side)
    caught = []
    model.register_forward_pre_hook(lambda _, args, kwargs: caught.append(kwargs["position_ids"]), with_kwargs=True)
    ids, mask = torch.tensor(padded.ids), torch.tensor(padded.mask)
    model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=1)
    real = padded.mask == 1
    np.testing.assert_array_equal(text.positions(padded.mask)[real], caught[0].numpy()[real])


@pytest.mark.parametrize("keep", ["start", "end"])
@given(ids=st.lists(st.integers(0, 5), max_size=12), limit=st.integers(0, 12))
def test_truncation_never_loses_a_placeholder(keep, ids, limit):
    try:
        kept = text.truncate(ids, limit, placeholders={0}, keep=keep)
    except ContextOverflow:
        gone = ids[limit:] if keep == "start" else ids[: len(ids) - limit]
        assert 0 in gone
        return
    assert kept == (ids[:limit] if keep == "start" else ids[max(0, len(ids) - limit) :])
    assert kept.count(0) == ids.count(0)


def test_truncation_says_what_would_be_lost():
    with pytest.raises(
        ContextOverflow, match="6 tokens do not fit in 3, and cutting would remove 2 of 3 placeholder"
    ):
        text.truncate([1, 2, 9, 9, 9, 3], 3, placeholders=[9])
    with pytest.raises(ValueError, match="limit is -1"):
        text.truncate([1], -1)
    assert text.truncate((1, 2, 3), 3) == [1, 2, 3]


def test_all_errors_are_ours(ours):
    for call in (lambda: text.clean_text(b"\xff"), lambda: ours.encode("\ud800"), lambda: ours.decode([-1])):
        with pytest.raises(MediaError):
            call()
