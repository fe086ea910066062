"""mmkit: multimodal preprocessing and inference with vLLM, taught and done.

    Engine(model)              ask a real vLLM model about text, pictures, clips and videos
    AsyncEngine(model)         the same, awaited and streamed; Client(url): the same, by a server
    Sampling, Answer           how it may answer, and what it said
    MultiModalSample           text and its items, as you have them
    MultiModalPreprocessor     samples -> tensors, vLLM prompts, server messages, or their cost in tokens
    load_image, load_audio, load_video, clean_text     files -> clean values with notes; load_pdf_page: of a PDF
    recipe_for                 the frozen preprocessing numbers of a model family
    cost, image_tokens, audio_tokens, video_tokens     what an item costs
    Uuids                      guards names of your own for items, where you hand them to vLLM
    map_ordered, preprocess_many                       many samples: one result for each, in order
    MmkitError and its tree    what can go wrong, each with the remedy

    from mmkit import Engine

    with Engine("tiny-qwen2-vl") as engine:
        print(engine.ask("What color is the circle?", images=["data/circle_and_square.png"]))

Each name is imported from its module when it is first used, so that `import mmkit` loads nothing heavy.
The modules, in the order of the data's way: media, text, image, audio, video (files to clean values), recipes,
tokens, prompts, samples, preprocessor, batch, rows, engine. plots draws; zoo holds the models that are trained
here.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors: the same names that __getattr__ finds
    from mmkit.answers import Answer, Sampling
    from mmkit.async_engine import AsyncEngine
    from mmkit.audio import Clip, load_audio
    from mmkit.batch import map_ordered, preprocess_many
    from mmkit.client import Client
    from mmkit.engine import Engine, Settings
    from mmkit.errors import InvalidArgument, MediaError, MmkitError, ModelError
    from mmkit.image import Picture, load_image
    from mmkit.media import LIMITS, Limits
    from mmkit.pdf import load_pdf_page
    from mmkit.preprocessor import MultiModalPreprocessor
    from mmkit.recipes import AudioRecipe, ImageRecipe, VideoRecipe, recipe_for
    from mmkit.samples import Embedding, MultiModalSample, Prompt
    from mmkit.text import clean_text
    from mmkit.tokens import Cost, ItemCost, audio_tokens, cost, image_tokens, video_tokens
    from mmkit.uuids import Uuids
    from mmkit.video import Video, load_video

    __version__: str

_WHERE = {
    "answers": ("Answer", "Sampling"),
    "async_engine": ("AsyncEngine",),
    "audio": ("Clip", "load_audio"),
    "batch": ("map_ordered", "preprocess_many"),
    "client": ("Client",),
    "engine": ("Engine", "Settings"),
    "errors": ("InvalidArgument", "MediaError", "MmkitError", "ModelError"),
    "image": ("Picture", "load_image"),
    "media": ("LIMITS", "Limits"),
    "pdf": ("load_pdf_page",),
    "preprocessor": ("MultiModalPreprocessor",),
    "recipes": ("AudioRecipe", "ImageRecipe", "VideoRecipe", "recipe_for"),
    "samples": ("Embedding", "MultiModalSample", "Prompt"),
    "text": ("clean_text",),
    "tokens": ("Cost", "ItemCost", "audio_tokens", "cost", "image_tokens", "video_tokens"),
    "uuids": ("Uuids",),
    "video": ("Video", "load_video"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "LIMITS",
    "Answer",
    "AsyncEngine",
    "AudioRecipe",
    "Client",
    "Clip",
    "Cost",
    "Embedding",
    "Engine",
    "ImageRecipe",
    "InvalidArgument",
    "ItemCost",
    "Limits",
    "MediaError",
    "MmkitError",
    "ModelError",
    "MultiModalPreprocessor",
    "MultiModalSample",
    "Picture",
    "Prompt",
    "Sampling",
    "Settings",
    "Uuids",
    "Video",
    "VideoRecipe",
    "__version__",
    "audio_tokens",
    "clean_text",
    "cost",
    "image_tokens",
    "load_audio",
    "load_image",
    "load_pdf_page",
    "load_video",
    "map_ordered",
    "preprocess_many",
    "recipe_for",
    "video_tokens",
]


def __getattr__(name: str) -> Any:
    """The public names, and __version__, when they are first asked for (PEP 562)."""
    if name == "__version__":
        try:
            value = version("mmkit")
        except PackageNotFoundError:  # a folder on the path, not installed
            value = "0+unknown"
    elif name in _MODULE_OF:
        value = getattr(import_module(f"mmkit.{_MODULE_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'mmkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
