"""106 rows of hostile and broken inputs through one harness. Oracle: the table in `media_factory.py`.

For every row: exactly one result, none but our errors, the cause kept, no address, path or payload in the message,
no file left open; and once more all of them in one process whose memory and time are limited.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import warnings

import pytest

from mmkit.errors import MmkitError
from mmkit.preprocessor import MultiModalPreprocessor
from tests.media_factory import CASES, LOAD, Case, pixels

MODELS = {"prompt": "tiny-qwen2-vl", "speech": "tiny-qwen2-audio"}
ITEMS = {"image": 8, "audio": 4, "video": 2}


@pytest.fixture(scope="module")
def preprocessors():
    return {reads: MultiModalPreprocessor(model, max_items=ITEMS) for reads, model in MODELS.items()}


def result_of(case: Case, folder, preprocessors):
    """A value, or the error that was raised. Anything that is not ours falls through."""
    options = case.options(folder) if case.options else {}
    source = case.make(folder)
    try:
        if case.reads in preprocessors:
            return preprocessors[case.reads].to_prompt(source)
        return LOAD[case.reads](source, **options)
    except MmkitError as error:
        return error


def open_files() -> set[str]:
    return {
        os.readlink(f"/proc/self/fd/{n}")
        for n in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{n}")
    }


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_row(case, tmp_path, preprocessors):
    if case.row == 17 and os.geteuid() == 0:
        pytest.skip("root may read every file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        result = result_of(case, tmp_path, preprocessors)
    if case.expected is None:
        assert not isinstance(result, MmkitError), f"{type(result).__name__}: {result}"
        if case.notes:
            assert any(re.search(case.notes, note) for note in result.notes), result.notes
        if case.check:
            assert case.check(result)
    else:
        assert isinstance(result, case.expected), f"{type(result).__name__}: {result!r:.300}"
        assert_harmless(result, tmp_path)
    left_open = {name for name in open_files() if str(tmp_path) in name}
    assert not left_open


def assert_harmless(error: MmkitError, folder) -> None:
    message = str(error)
    assert "\n" not in message
    assert len(message) < 1500
    assert not re.search(r"0x[0-9a-f]{6,}", message), "a memory address"
    assert str(folder) not in message, "a private path"
    assert "root:x:0" not in message, "the payload"
    if error.cause is not None:
        assert error.__cause__ is error.cause


def test_every_row_of_the_list_is_there():
    """Rows 64, 84, 93 and 106 have tests of their own, here and in test_video.py."""
    assert {case.row for case in CASES} | {64, 84, 93, 106} == set(range(1, 107))


def test_row_064_keys_tell_pictures_apart_and_know_them_again(preprocessors, tmp_path):
    import io

    import numpy as np
    from PIL import Image

    from mmkit.preprocessor import MultiModalSample
    from tests.media_factory import as_file, data_url, picture

    def key(source) -> str:
        return preprocessors["prompt"].to_prompt(MultiModalSample("?", (source,))).uuids["image"][0]

    sources = [
        as_file("a.png", picture())(tmp_path), str(tmp_path / "a.png"), picture(), bytearray(picture()),
        io.BytesIO(picture()), data_url("image/png", picture()), Image.open(io.BytesIO(picture())), pixels(),
        picture("BMP"), picture("TIFF"),
    ]  # fmt: skip
    assert len({key(source) for source in sources}) == 1
    flat = pixels().tobytes()
    others = [np.frombuffer(flat, np.uint8).reshape(shape) for shape in ((60, 40, 3), (20, 120, 3), (80, 30, 3))]
    others += [pixels()[::-1], 255 - pixels(), picture("PNG", "L"), picture("PNG", "P")]
    assert len({key(source) for source in [pixels(), *others]}) == len(others) + 1


def test_row_084_a_missing_backend_says_what_to_install(monkeypatch):
    from mmkit.audio import load_audio
    from mmkit.errors import BackendMissing
    from tests.media_factory import sound

    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(BackendMissing, match="pip install soundfile"):
        load_audio(sound("FLAC"))


def test_row_106_one_result_an_input_and_neighbours_unharmed(preprocessors, tmp_path):
    """All rows between good samples: as many results as inputs, in order, and the good ones equal as ever."""
    from mmkit.batch import in_threads, map_ordered
    from mmkit.preprocessor import MultiModalSample

    alone = preprocessors["prompt"].to_prompt(MultiModalSample("What is it?", (pixels(),)))
    samples, kinds = [], []
    for number, case in enumerate(c for c in CASES if c.reads == "image" and c.options is None and c.row != 17):
        folder = tmp_path / str(number)
        folder.mkdir()
        samples += [MultiModalSample("What is it?", (pixels(),)), MultiModalSample("?", (case.make(folder),))]
        kinds.append(case)
    results = list(map_ordered(in_threads(preprocessors["prompt"], "to_prompt", 2), samples, workers=2))
    assert len(results) == len(samples)
    for neighbour in results[::2]:
        assert (neighbour.text, neighbour.uuids) == (alone.text, alone.uuids)
    for row, (case, result) in enumerate(zip(kinds, results[1::2], strict=True)):
        assert isinstance(result, MmkitError) == (case.expected is not None), case.id
        if case.expected:
            assert isinstance(result, case.expected), case.id
            assert result.row == 2 * row + 1


LIMITED = """
import resource, tempfile, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
from tests.test_bad_inputs import MODELS, ITEMS, result_of
from tests.media_factory import CASES
from mmkit.preprocessor import MultiModalPreprocessor
made = {reads: MultiModalPreprocessor(model, max_items=ITEMS) for reads, model in MODELS.items()}
before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
for case in CASES:
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        result_of(case, Path(folder), made)
        slowest = max(slowest, time.process_time() - start)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, slowest)
"""


def test_all_rows_in_bounded_memory_and_time():
    """One process: at most 700 MB over the start, which holds the loaded libraries, and no row over 10 s of CPU."""
    run = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    grown, slowest = run.stdout.split()[-2:]
    assert int(grown) < 700_000  # kilobytes
    assert float(slowest) < 10
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4 << 20
