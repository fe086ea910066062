"""A starter: a package with a model of one's own for transformers and vLLM, which runs as it stands.

    mmkit/models/omni/*.py  -> names replaced -> DIR/NAME/*.py
    the four texts below    -> names replaced -> DIR/pyproject.toml, README.md, tests/
    everything in a temporary folder -> checked, moved in one go -> DIR

Rendered from the very files that run tiny-omni, so that the starter cannot fall behind them. The texts below are
written with omni's names, too: one rule renames all.
Leaves out installing it: that is the reader's next command.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
import tempfile
from importlib import metadata, resources
from pathlib import Path

from mmkit.errors import BadFolder, BadModelName, label

SOURCE = "mmkit.models.omni"  # the package
MODEL_TYPE, PREFIX = "mmkit_omni", "Omni"  # in config.json; of its classes
LONGEST = 40  # characters of a name
RESERVED = {"build", "dist", "tests"}  # folders beside the package

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "mmkit_omni"
version = "0.1.0"
description = "A multimodal model for transformers and vLLM"
readme = "README.md"
license = "Apache-2.0"
requires-python = ">=3.11"
# vLLM comes with the environment, since its builds for CPU and GPU have different names.
dependencies = ["numpy", "pillow", "tokenizers", "torch", "torchvision", "transformers>=5"]

# vLLM calls this in each of its processes.
[project.entry-points."vllm.general_plugins"]
mmkit_omni = "mmkit.models.omni.plugin:register"

# mmkit calls this before it reads a model whose config.json has this model_type.
[project.entry-points."mmkit.models"]
mmkit_omni = "mmkit.models.omni.plugin:register_transformers"

[tool.setuptools]
packages = ["mmkit.models.omni"]

[tool.ruff]
line-length = 116
"""

README = """\
# mmkit_omni

A multimodal model of your own: pictures and clips in one prompt, in transformers and in vLLM. It works as it
stands, with random weights; so begin by running it, then change one thing at a time and test again.

## Three commands

In an environment that has vLLM, in this folder:

```bash
# install this package alone: the environment has all that it needs
python -m pip install --no-deps --no-build-isolation -e .
# make an example model: random weights, a tokenizer, a processor
python -m mmkit.models.omni.example example-model
# test: transformers and vLLM say the same
python -m pytest tests
```

## Serve it

```bash
python -m vllm.entrypoints.openai.api_server --model example-model --served-model-name mmkit_omni \\
    --dtype float32 --max-model-len 1024 --enforce-eager --limit-mm-per-prompt '{"image": 3, "audio": 3}'
```

No flag names this package: vLLM finds it by its entry point, in each of its processes, from any folder. On a CPU
add `--kv-cache-memory-bytes 67108864 --gpu-memory-utilization 0.1`, else it takes a large part of the memory. Then
ask, in the format of OpenAI's chat completions (`image_url`; `input_audio` with a WAV in base64):

```bash
curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "mmkit_omni",
  "messages": [{"role": "user", "content": "what is it?"}], "max_tokens": 12, "temperature": 0}'
```

With random weights the answer is nonsense, and always the same nonsense. Where mmkit is installed, it also answers
without a server: `mmkit ask "what is it?" --model example-model`.

## What each file is for

```text
FILES
tests             the proof, with the package as it is installed
pyproject.toml    the two entry points by which vLLM and mmkit find the model
```

## What to change first

1. `towers.py`: your encoders. Keep the rule that they are plain torch, shared by both sides: then there is one
   place for a mistake, not two.
2. `configuration.py`: the numbers of your encoders, and how many tokens an item takes. A picture here always takes
   the same number, a clip one for each started stretch: see which of the two your items are like.
3. `processing.py`: what a picture or a clip becomes before the encoder sees it, and the chat template.
4. `vllm_model.py`: only where an item's tensors or its number of tokens have changed (`_get_mm_fields_config`,
   `_get_prompt_updates`), or the largest item has (`get_dummy_mm_data`).
5. The decoder: `Qwen2ForCausalLM` in `modeling.py` and in `vllm_model.py`, `Qwen2Config` in `configuration.py`. Any
   decoder that both libraries have will do.

Make the example model anew and run the tests after each step; `python -m mmkit.models.omni.parity example-model`
prints which answers differ. Names of weights are the same on both sides, so what you train with `modeling.py` is
served as it is saved. Keep them so: vLLM skips a `.bias` that finds no place without a word, and only this
comparison tells.

The code began as the starter of mmkit (Apache-2.0).
"""

CONFTEST = '''\
"""Before torch and vLLM are imported: one process, no log lines, no compiler needed, nothing asked of a hub."""

import os

for variable, value in {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
}.items():
    os.environ.setdefault(variable, value)
'''

TEST_PARITY = '''\
"""transformers and vLLM say the same: the oracle of each is the other."""

from importlib.metadata import entry_points

from mmkit.models.omni.example import make_example
from mmkit.models.omni.parity import ask_transformers, ask_vllm, differences, questions, start_vllm


def test_vllm_can_find_the_plugin():
    found = entry_points(group="vllm.general_plugins", name="mmkit_omni")
    assert found, "install the package first: python -m pip install --no-deps --no-build-isolation -e ."


def test_same_tokens_and_probabilities(tmp_path):
    make_example(tmp_path)
    asked = questions(16)
    assert differences(ask_transformers(tmp_path, asked), ask_vllm(start_vllm(tmp_path), asked)) == []
'''


def write_starter(name: str, folder: str | Path) -> Path:
    """Write the package `name` into a folder that does not exist yet or is empty; returns the folder.

    Raises BadModelName and BadFolder, each with the remedy; then nothing has been written.
    """
    check_name(name)
    target = Path(folder).resolve()
    check_folder(target)
    exists = target.exists()
    try:
        with tempfile.TemporaryDirectory(prefix=".starter-", dir=target if exists else target.parent) as temporary:
            staged = Path(temporary, "new")
            for path, text in rendered(name).items():
                (staged / path).parent.mkdir(parents=True, exist_ok=True)
                (staged / path).write_text(text, "utf-8")
            if exists:  # replacing it would pull it away under a shell that stands in it
                for part in list(staged.iterdir()):
                    part.rename(target / part.name)
            else:
                staged.rename(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"{label(target)!r} cannot be written: {reason}; give another folder"
        raise BadFolder(message, cause=error) from error
    return target


def next_steps(name: str, folder: str | Path) -> str:
    """What to type after the package was written."""
    steps = renamed(README, name).split("```bash\n")[1].split("```")[0]
    return f"cd {shlex.quote(str(folder))}\n{steps}"


def rendered(name: str) -> dict[str, str]:
    """The files of the package by their paths within its folder."""
    sources = {file.name: file for file in resources.files(SOURCE).iterdir() if file.name.endswith(".py")}
    texts = {f"{SOURCE}/{file}": sources[file].read_text("utf-8") for file in sorted(sources)}
    described = re.findall(r"^ {4}(\w+) +(.*)$", texts[f"{SOURCE}/__init__.py"], re.M)
    files = "\n".join(f"{module + '.py':<18}{purpose}" for module, purpose in described)
    texts |= {
        "pyproject.toml": PYPROJECT,
        "README.md": README.replace("FILES", files),
        "tests/conftest.py": CONFTEST,
        "tests/test_parity.py": TEST_PARITY,
    }
    return {renamed(path, name): renamed(text, name) for path, text in texts.items()}


def renamed(text: str, name: str) -> str:
    """Text with omni's names replaced, all at once.

    >>> renamed("class OmniConfig:  # mmkit.models.omni.configuration, 'mmkit_omni'", "bird_ear")
    "class BirdEarConfig:  # bird_ear.configuration, 'bird_ear'"
    """
    names = {SOURCE: name, MODEL_TYPE: name, PREFIX: camel(name)}
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


def camel(name: str) -> str:
    """The prefix of the classes.

    >>> camel("bird_ear2")
    'BirdEar2'
    """
    return "".join(word.capitalize() for word in name.split("_"))


def check_name(name: str) -> None:
    """Raise BadModelName where no package, or no model, can be called so."""
    shown = ascii(name if len(name) <= LONGEST else name[:LONGEST] + "...")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise BadModelName(
            f"{shown} cannot name a package: take lower-case letters a to z, digits and single underscores, "
            f"a letter first, at most {LONGEST} characters, such as bird_ear"
        )
    if keyword.iskeyword(name):
        raise BadModelName(f"{shown} is a word of Python itself; take another name")
    if camel(name) == PREFIX:
        raise BadModelName(f"{shown} is the name of the model that the starter is rendered from; take another name")
    if name in RESERVED or is_installed(name):
        raise BadModelName(f"{shown} would hide a module or folder of that name; take another name")
    if owner := known_by(name):
        raise BadModelName(
            f"{owner} already, and of two models with one name only one would be found; take another name"
        )


def is_installed(name: str) -> bool:
    """Whether Python or an installed package has it; a folder below the current one is nobody's yet."""
    if name in sys.stdlib_module_names or metadata_of(name):
        return True
    found = importlib.util.find_spec(name)
    if found is None:
        return False
    return found.origin is not None or any(
        Path(p).parent != Path.cwd() for p in found.submodule_search_locations or ()
    )


def metadata_of(name: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        return bool(metadata.distribution(name))
    except metadata.PackageNotFoundError:
        return False


def known_by(name: str) -> str | None:
    """Who has a model of this name: a sentence's beginning, or None.

    vLLM's list of models is read as text: importing vLLM takes half a minute.
    """
    from transformers.models.auto import configuration_auto  # its own names, not what was registered since

    if name in configuration_auto.CONFIG_MAPPING_NAMES:  # pyright: ignore[reportPrivateImportUsage]
        return f"transformers knows the model_type {name!r}"
    if metadata.entry_points(group="mmkit.models", name=name):
        return f"an installed package registers the model_type {name!r}"
    architecture = f"{camel(name)}ForConditionalGeneration"
    vllm = importlib.util.find_spec("vllm")
    for place in (vllm.submodule_search_locations if vllm else None) or ():
        registry = Path(place, "model_executor", "models", "registry.py")
        if registry.is_file() and f'"{architecture}"' in registry.read_text("utf-8"):
            return f"vLLM knows the architecture {architecture}"
    return None


def check_folder(target: Path) -> None:
    """Raise BadFolder where a new folder cannot be written without touching what is there."""
    if target.is_dir():
        if any(target.iterdir()):
            raise BadFolder(f"{label(target)!r} holds files already; give a new or an empty folder")
    elif target.exists():
        raise BadFolder(f"{label(target)!r} is a file; give a new or an empty folder")
    elif not target.parent.is_dir():
        raise BadFolder(f"there is no folder {label(target.parent)!r}; create it first")
