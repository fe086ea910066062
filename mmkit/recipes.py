"""Recipes: the numbers of a model family's preprocessing, frozen, each with a name.

    name or model directory -> recipe_for(..., modality) -> ImageRecipe | VideoRecipe | AudioRecipe

Follows transformers' processor classes (their defaults) and published checkpoints' config files. Where a model
directory is given, its own files decide and nothing is guessed. How sizes are found is in sizes.py and tiling.py,
features are in image.py, video.py and audio.py. Leaves out options that no shipped or named family uses (padding to
squares, pan and scan).
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from mmkit.errors import ModelError, ModelNotFound, label
from mmkit.shipped import SHIPPED, resolve
from mmkit.sizes import ShortestEdge, SmartResize, Stretch
from mmkit.tiling import AnyRes, DynamicTiles, ImageSplitting

Channels = tuple[float, float, float]

CLIP_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Channels = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
HALF: Channels = (0.5, 0.5, 0.5)  # SigLIP, Qwen3-VL: pixels end up between -1 and 1


Resizing = SmartResize | ShortestEdge | Stretch | DynamicTiles | AnyRes | ImageSplitting


@dataclass(frozen=True)
class ImageRecipe:
    """The numbers that turn an RGB picture into what one family of vision encoders expects.

    resize: how the new size is found, with the numbers of that way (sizes.py, tiling.py).
    """

    name: str
    mean: Channels
    std: Channels
    resize: Resizing
    method: Literal["nearest", "lanczos", "bilinear", "bicubic"] = "bicubic"
    patch: int = 14  # pixels a side of a patch
    merge: int = 1  # merge x merge patches make one token
    temporal_patch: int = 1  # frames a patch holds; an image fills them with copies of itself
    extra_tokens: int = 0  # a class token, or marks before and behind the item


@dataclass(frozen=True)
class VideoRecipe:
    """The numbers that turn frames into patches, and a clip into a number of frames."""

    name: str
    mean: Channels
    std: Channels
    min_pixels: int  # area of a frame; of the whole clip where budget = "clip"
    max_pixels: int
    budget: Literal["frame", "clip"] = "frame"
    method: Literal["nearest", "bilinear", "bicubic"] = "bicubic"
    patch: int = 14
    merge: int = 2
    temporal_patch: int = 2
    fps: float = 2.0  # frames a second that the family was trained on
    min_frames: int = 4
    max_frames: int = 768
    stamps: Path | None = None  # Qwen3-VL writes "<1.0 seconds>" before a patch: whose tokenizer counts it


@dataclass(frozen=True)
class AudioRecipe:
    """The numbers that turn a wave into the log-mel spectrogram that one family of speech models expects.

    tokens says what a clip costs (see tokens.py):
      "window"    half the frames of the whole window, however short the clip is (Whisper's encoder)
      "pooled"    a quarter of the frames that hold the clip, by Qwen2-Audio's own formula
      "stride"    one for each started `stride` frames (tiny-omni)
      None        nothing is known: the recipe is for looking at, or for a model of your own
    """

    name: str
    sample_rate: int = 16_000  # Hz
    n_fft: int = 400  # samples of a window: 25 ms
    hop: int = 160  # samples from one frame to the next: 10 ms
    n_mels: int = 80
    f_min: float = 0.0  # Hz
    f_max: float = 8_000.0  # Hz
    mel_scale: Literal["htk", "slaney"] = "slaney"
    norm: Literal["slaney"] | None = "slaney"  # divide each triangle by its width
    bank_dtype: Literal["float32", "float64"] = "float64"  # in which the library computes the triangles
    log: Literal["log10", "ln", "db"] | None = "log10"
    floor: float = 1e-10  # power below it counts as this much
    dynamic_range: float | None = 8.0  # below the loudest value, in units of the logarithm
    shift: float = 4.0  # (log + shift) / divisor
    divisor: float = 4.0
    drop_last: bool = True  # leave out the frame that is centred on the end
    seconds: float = 30.0  # the model's window: longer clips are cut; math.inf where there is none
    pad: bool = True  # fill shorter clips up to the window with silence
    tokens: Literal["window", "pooled", "stride"] | None = "window"
    stride: int = 4  # frames of one token, for "stride"

    @property
    def max_samples(self) -> int:
        """Samples of the model's window; sys.maxsize where there is none.

        >>> WHISPER.max_samples
        480000
        """
        return sys.maxsize if math.isinf(self.seconds) else round(self.seconds * self.sample_rate)


# Images. Class defaults and published checkpoints differ: both are named.
IMAGENET = ImageRecipe(  # torchvision's ResNet and ViT-B/16; no vision-language model uses it
    "imagenet", IMAGENET_MEAN, IMAGENET_STD, ShortestEdge(256, crop=224), "bilinear", patch=16, extra_tokens=1
)
CLIP = ImageRecipe(  # openai/clip-vit-base-patch32
    "clip", CLIP_MEAN, CLIP_STD, ShortestEdge(224, crop=224), patch=32, extra_tokens=1
)
SIGLIP = ImageRecipe("siglip", HALF, HALF, Stretch(224), patch=16)  # google/siglip-base-patch16-224
QWEN2_VL = ImageRecipe(  # the default of transformers' Qwen2VLImageProcessor: at most 1,280 tokens
    "qwen2-vl", CLIP_MEAN, CLIP_STD, SmartResize(56 * 56, 1280 * 28 * 28), merge=2, temporal_patch=2
)
QWEN2_VL_2B_INSTRUCT = replace(  # the published checkpoint's own file: up to 16,384 tokens an image
    QWEN2_VL, name="qwen2-vl-2b-instruct", resize=SmartResize(56 * 56, 12_845_056)
)
QWEN2_5_VL = replace(QWEN2_VL_2B_INSTRUCT, name="qwen2.5-vl")
QWEN3_VL = replace(  # patch 16, so a token is 32 x 32 pixels
    QWEN2_VL, name="qwen3-vl", mean=HALF, std=HALF, patch=16, resize=SmartResize(65_536, 16_777_216, factor=32)
)
LLAVA = replace(CLIP, name="llava", resize=ShortestEdge(336, crop=336), patch=14, extra_tokens=0)
LLAVA_NEXT = replace(LLAVA, name="llava-next", resize=AnyRes())
GEMMA3 = replace(  # 16 x 16 tokens of 4 x 4 patches, two marks and two blank lines
    SIGLIP, name="gemma3", resize=Stretch(896), method="bilinear", patch=14, merge=4, extra_tokens=4
)
INTERNVL = ImageRecipe(  # InternVL 2.5 and 3: two marks around the tiles
    "internvl", IMAGENET_MEAN, IMAGENET_STD, DynamicTiles(), merge=2, extra_tokens=2
)
IDEFICS3 = ImageRecipe(  # the default of transformers' Idefics3ImageProcessor
    "idefics3", HALF, HALF, ImageSplitting(), "lanczos", merge=2
)
SMOLVLM = replace(  # SmolVLM-256M and -500M
    IDEFICS3, name="smolvlm", resize=ImageSplitting(512, longest=2048), patch=16, merge=4
)

# Video. Class defaults of transformers' Qwen2VLVideoProcessor and Qwen3VLVideoProcessor; the checkpoints'.
QWEN2_VL_VIDEO = VideoRecipe("qwen2-vl", CLIP_MEAN, CLIP_STD, min_pixels=128 * 28 * 28, max_pixels=768 * 28 * 28)
QWEN2_VL_2B_INSTRUCT_VIDEO = replace(
    QWEN2_VL_VIDEO, name="qwen2-vl-2b-instruct", min_pixels=56 * 56, max_pixels=12_845_056
)
QWEN2_5_VL_VIDEO = replace(QWEN2_VL_2B_INSTRUCT_VIDEO, name="qwen2.5-vl")
QWEN3_VL_VIDEO = VideoRecipe(
    "qwen3-vl", HALF, HALF, min_pixels=128 * 32 * 32, max_pixels=768 * 32 * 32, budget="clip", patch=16
)

# Audio. WhisperFeatureExtractor's defaults; the same at 128 mels; torchaudio's mel spectrogram with
# the numbers that many articles print (no log, no norm, HTK), for comparison: no language model uses it.
WHISPER = AudioRecipe("whisper")
WHISPER_LARGE_V3 = replace(WHISPER, name="whisper-large-v3", n_mels=128)
QWEN2_AUDIO = replace(WHISPER_LARGE_V3, name="qwen2-audio", tokens="pooled")
ARTICLE = AudioRecipe(
    "article", n_fft=2048, hop=512, n_mels=128, mel_scale="htk", norm=None, bank_dtype="float32", log=None,
    drop_last=False, seconds=math.inf, pad=False, tokens=None,
)  # fmt: skip

# One table per modality: (presets by name, transformers' class names -> the preset that holds its defaults).
IMAGE_PRESETS = {
    r.name: r
    for r in (
        IMAGENET, CLIP, SIGLIP, QWEN2_VL, QWEN2_VL_2B_INSTRUCT, QWEN2_5_VL, QWEN3_VL,
        LLAVA, LLAVA_NEXT, GEMMA3, INTERNVL, IDEFICS3, SMOLVLM,
    )
}  # fmt: skip
VIDEO_PRESETS = {r.name: r for r in (QWEN2_VL_VIDEO, QWEN2_VL_2B_INSTRUCT_VIDEO, QWEN2_5_VL_VIDEO, QWEN3_VL_VIDEO)}
IMAGE_CLASSES = {
    "Qwen2VLImageProcessor": QWEN2_VL,
    "CLIPImageProcessor": CLIP,
    "SiglipImageProcessor": SIGLIP,
    "ViTImageProcessor": replace(SIGLIP, name="vit", method="bilinear", extra_tokens=1),
    "LlavaImageProcessor": LLAVA,
    "LlavaNextImageProcessor": LLAVA_NEXT,
    "Gemma3ImageProcessor": replace(GEMMA3, resize=Stretch(224)),
    "GotOcr2ImageProcessor": replace(INTERNVL, mean=CLIP_MEAN, std=CLIP_STD, resize=DynamicTiles(384)),
    "Idefics3ImageProcessor": IDEFICS3,
    "SmolVLMImageProcessor": IDEFICS3,
}
VIDEO_CLASSES = {"Qwen2VLVideoProcessor": QWEN2_VL_VIDEO, "Qwen3VLVideoProcessor": QWEN3_VL_VIDEO}
AUDIO_PRESETS = {r.name: r for r in (WHISPER, WHISPER_LARGE_V3, QWEN2_AUDIO, ARTICLE)}
METHODS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # PIL's Resampling, as config files hold them


def recipe_for(
    model: str | os.PathLike[str], modality: str = "image", overrides: dict[str, Any] | None = None
) -> Any:
    """The recipe of a preset name, a shipped model, a model directory, or a hub model downloaded before.

    model: "qwen2-vl", "clip" ... (IMAGE_PRESETS), "tiny-qwen2-vl", a folder with preprocessor_config.json or
    processor_config.json, or "owner/name".  modality: "image", "audio" or "video".  overrides: keyword arguments
    that the model's processor is called with, for example {"max_pixels": ...}.  Returns its recipe.  Raises
    ModelNotFound where there is nothing of that name, ModelError where its files ask for something that mmkit
    does not do.

    >>> recipe_for("qwen2-vl").resize.max_pixels, recipe_for("qwen2-vl-2b-instruct").resize.max_pixels
    (1003520, 12845056)
    """
    if modality not in READERS:
        raise ModelError(f"no recipes for modality {modality!r}; there are {', '.join(READERS)}")
    presets, read = READERS[modality]
    if isinstance(model, str) and model.lower() in presets:
        return presets[model.lower()]
    folder = model_folder(model)
    if folder is None:
        names = ", ".join(presets)
        raise ModelNotFound(
            f"{label(model)!r} is no {modality} recipe ({names}), model directory or downloaded hub model"
        )
    return read(folder, overrides or {})


def model_folder(model: str | os.PathLike[str]) -> Path | None:
    """The directory of a model: shipped, itself, or a hub model's snapshot in the local cache; else None."""
    folder = Path(resolve(model) if model in SHIPPED else model)
    if folder.is_dir():
        return folder
    if isinstance(model, str) and model.count("/") == 1:
        home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
        cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub")) / f"models--{model.replace('/', '--')}"
        main = cache / "refs" / "main"
        if main.is_file() and (snapshot := cache / "snapshots" / main.read_text().strip()).is_dir():
            return snapshot
    return None


def read_config(folder: Path, part: str, *names: str) -> dict[str, Any]:
    """One part of a processor's configuration, by transformers' own order of files.

    part: key within processor_config.json ("image_processor", "video_processor", "feature_extractor").
    names: the stand-alone files that older checkpoints have instead, best first.  ModelError if none.
    """
    nested = read_json(folder / "processor_config.json").get(part)
    if isinstance(nested, dict):
        return nested
    for name in names:
        if config := read_json(folder / name):
            return config
    raise ModelError(f"{label(folder)} holds neither {part} in processor_config.json nor {' nor '.join(names)}")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; {} where there is no such file.  Raises ModelError where it is broken."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} is not readable JSON", cause=error) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path.name} holds {type(value).__name__}, expected an object")
    return value


def read_image_recipe(folder: Path, overrides: dict[str, Any]) -> ImageRecipe:
    """An ImageRecipe from a model directory's own numbers; what they leave out is the class's default."""
    config = _overridden(read_config(folder, "image_processor", "preprocessor_config.json"), overrides)
    base = _base(config, "image_processor_type", IMAGE_CLASSES, folder)
    model = read_json(folder / "config.json")
    recipe = replace(base, name=folder.name, **_common(config, base), **_patching(config, model, base))
    resize, cell = base.resize, recipe.patch * recipe.merge
    match resize:
        case SmartResize():
            limits = _pixel_limits(config, resize)
            return replace(recipe, resize=SmartResize(**limits, factor=cell))
        case ShortestEdge() | Stretch():
            recipe = replace(recipe, resize=_fixed_size(config, resize))
        case AnyRes():
            canvases = model.get("image_grid_pinpoints") or config.get("image_grid_pinpoints")  # vLLM's order
            canvases = tuple((h, w) for h, w in canvases) if canvases else resize.canvases
            recipe = replace(recipe, resize=AnyRes(_tile(config, resize.tile), canvases))
        case DynamicTiles():
            low, high = (config.get(name, getattr(resize, name.replace("patches", "tiles"))) for name in _TILES)
            recipe = replace(recipe, resize=DynamicTiles(_tile(config, resize.tile), low, high))
        case ImageSplitting():
            tile = config.get("max_image_size", {}).get("longest_edge", resize.tile)
            longest = config.get("size", {}).get("longest_edge", resize.longest)
            whole = tile if config.get("do_image_splitting") is False else longest
            recipe = replace(recipe, resize=ImageSplitting(tile, whole, tokens_of(folder, "\n\n")))
    return replace(recipe, extra_tokens=_extra_tokens(folder, config, model, recipe))


_TILES = ("min_patches", "max_patches")  # transformers calls tiles patches here


def _fixed_size(config: dict[str, Any], base: ShortestEdge | Stretch) -> ShortestEdge | Stretch:
    """CLIP's and SigLIP's kinds of resizing, however the config spells them."""
    size = config.get("size", base.size)
    if isinstance(size, dict) and "shortest_edge" not in size:
        return Stretch(_side(size))
    if isinstance(base, Stretch) and not isinstance(size, dict):
        return Stretch(size)
    crop = base.crop if isinstance(base, ShortestEdge) else None
    crop = config.get("crop_size", crop) if config.get("do_center_crop", crop is not None) else None
    shortest = size["shortest_edge"] if isinstance(size, dict) else size
    return ShortestEdge(shortest, None if crop is None else _side(crop))


def _tile(config: dict[str, Any], default: int) -> int:
    """Pixels a side of a tile: the encoder's own size."""
    for name in ("crop_size", "size"):
        given = config.get(name)
        if isinstance(given, dict) and "shortest_edge" not in given:
            return _side(given)
        if given:
            return given["shortest_edge"] if isinstance(given, dict) else given
    return default


def _extra_tokens(folder: Path, config: dict[str, Any], model: dict[str, Any], recipe: ImageRecipe) -> int:
    """Tokens beside the patches, by the model's type: class tokens that are kept, and marks around the item."""
    kind = model.get("model_type")
    if kind == "gemma3":
        if config.get("do_pan_and_scan"):
            raise ModelError("the model's files ask for do_pan_and_scan, which mmkit does not do")
        return 2 + 2 * tokens_of(folder, "\n\n")
    if kind in ("llava", "llava_next"):
        class_token = model.get("vision_config", {}).get("model_type", "clip_vision_model") == "clip_vision_model"
        dropped = model.get("vision_feature_select_strategy", "default") == "default"
        return class_token - dropped
    return recipe.extra_tokens


def tokens_of(folder: Path, text: str) -> int:
    """How many tokens the model's own tokenizer makes of a text; 1 where the folder holds no tokenizer.json."""
    tokenizer = _tokenizer(folder / "tokenizer.json")
    return 1 if tokenizer is None else len(tokenizer.encode(text, add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path)) if path.is_file() else None


def read_video_recipe(folder: Path, overrides: dict[str, Any]) -> VideoRecipe:
    """A VideoRecipe from a model directory's own numbers; what they leave out is the class's default."""
    names = ("video_preprocessor_config.json", "preprocessor_config.json")
    config = _overridden(read_config(folder, "video_processor", *names), overrides)
    if "video_processor_type" not in config and "Qwen2VL" in str(config.get("image_processor_type")):
        config = config | {"video_processor_type": "Qwen2VLVideoProcessor"}  # older checkpoints: one for both
    base = _base(config, "video_processor_type", VIDEO_CLASSES, folder)
    counts = {key: config[key] for key in ("fps", "min_frames", "max_frames") if config.get(key) is not None}
    stamps = str(read_json(folder / "config.json").get("model_type")).startswith("qwen3_vl")
    return replace(
        base,
        name=folder.name,
        **_common(config, base),
        **_patching(config, {}, base),
        **_pixel_limits(config, base),
        **counts,
        stamps=folder if stamps else None,
    )


def _base(config: dict[str, Any], key: str, classes: dict[str, Any], folder: Path) -> Any:
    """The preset that holds the defaults of the processor class that a config names."""
    stated = str(config.get(key) or config.get("feature_extractor_type"))
    name = stated.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast").removesuffix("Pil")
    if name not in classes:
        known = ", ".join(classes)
        raise ModelError(f"{label(folder)} uses {stated}; mmkit knows {known}. Build a recipe by hand instead")
    return classes[name]


def _common(config: dict[str, Any], base: Any) -> dict[str, Any]:
    """Mean, std and resize method; refuses steps that are switched off, rather than do them all the same."""
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if config.get(step) is False:
            raise ModelError(f"the model's files switch {step} off, which mmkit does not do")
    if abs(config.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        raise ModelError(f"rescale_factor {config['rescale_factor']} is not 1/255, which mmkit does not do")
    method = METHODS.get(config["resample"]) if "resample" in config else base.method
    if method is None:
        raise ModelError(f"resample {config['resample']} is not among nearest 0, lanczos 1, bilinear 2, bicubic 3")
    mean, std = config.get("image_mean", base.mean), config.get("image_std", base.std)
    return {"mean": tuple(mean), "std": tuple(std), "method": method}


def _overridden(config: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A processor's configuration as a call with keyword arguments changes it: `size` beats stored pixel limits."""
    stale = ("min_pixels", "max_pixels") if "size" in overrides else ()
    return {name: value for name, value in config.items() if name not in stale} | overrides


def _patching(config: dict[str, Any], model: dict[str, Any], base: Any) -> dict[str, Any]:
    """Patch, merge and temporal patch sizes: of a Qwen-VL processor, else of the model's vision encoder."""
    if "temporal_patch_size" in config or base.temporal_patch > 1:
        return {
            "patch": config.get("patch_size", base.patch),
            "merge": config.get("merge_size", base.merge),
            "temporal_patch": config.get("temporal_patch_size", base.temporal_patch),
        }
    vision = model.get("vision_config", model)
    patch = _side(vision.get("patch_size", base.patch))
    merge = vision.get("merge_size", base.merge)
    if ratio := model.get("downsample_ratio"):  # InternVL
        merge = round(1 / ratio)
    if model.get("model_type") in ("idefics3", "smolvlm"):
        merge = model.get("scale_factor", base.merge)
    if tokens := model.get("mm_tokens_per_image"):  # Gemma 3
        merge = vision.get("image_size", 896) // patch // math.isqrt(tokens)
    return {"patch": patch, "merge": merge}


def _pixel_limits(config: dict[str, Any], base: Any) -> dict[str, Any]:
    """Smallest and largest area: min_pixels and max_pixels first, else the size's misleading "edges"."""
    size = config.get("size")
    edges = size if isinstance(size, dict) else {}
    return {
        "min_pixels": config.get("min_pixels") or edges.get("shortest_edge", base.min_pixels),
        "max_pixels": config.get("max_pixels") or edges.get("longest_edge", base.max_pixels),
    }


def _side(size: int | dict[str, int] | list[int]) -> int:
    """One number for a square size, however the config spells it."""
    if isinstance(size, int):
        return size
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else size
    if height != width or not height:
        raise ModelError(f"size {size} is not a square, which mmkit does not do")
    return height


def read_audio_recipe(folder: Path, overrides: dict[str, Any]) -> AudioRecipe:
    """An AudioRecipe from a model directory's own numbers; what they leave out is the class's default."""
    config = _overridden(read_config(folder, "feature_extractor", "preprocessor_config.json"), overrides)
    if (kind := config.get("feature_extractor_type")) != "WhisperFeatureExtractor":
        raise ModelError(
            f"{label(folder)} uses {kind}; mmkit knows WhisperFeatureExtractor. Build a recipe by hand instead"
        )
    if config.get("dither") or config.get("do_normalize"):
        raise ModelError("the model's files ask for dither or do_normalize, which mmkit does not do")
    model = read_json(folder / "config.json")
    known = {"whisper": "window", "qwen2_audio": "pooled"}.get(str(model.get("model_type")))
    if stride := model.get("frames_per_token"):
        return replace(_front_end(config, folder), pad=False, tokens="stride", stride=stride)
    return replace(_front_end(config, folder), tokens=known)


def _front_end(config: dict[str, Any], folder: Path) -> AudioRecipe:
    """The numbers of a WhisperFeatureExtractor."""
    return replace(
        WHISPER,
        name=folder.name,
        sample_rate=config.get("sampling_rate", WHISPER.sample_rate),
        n_fft=config.get("n_fft", WHISPER.n_fft),
        hop=config.get("hop_length", WHISPER.hop),
        n_mels=config.get("feature_size", WHISPER.n_mels),
        seconds=float(config.get("chunk_length", WHISPER.seconds)),
    )


READERS = {
    "image": (IMAGE_PRESETS, read_image_recipe),
    "video": (VIDEO_PRESETS, read_video_recipe),
    "audio": (AUDIO_PRESETS, read_audio_recipe),
}
