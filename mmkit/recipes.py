"""Recipes: the numbers of a model family's preprocessing, frozen, each with a name.

    name or model directory -> recipe_for(..., modality) -> ImageRecipe | VideoRecipe | AudioRecipe

Follows transformers' processor classes (their defaults) and published checkpoints' config files. Where a
model directory is given, its own files decide and nothing is guessed. Leaves out options that no shipped or
named family uses (padding to squares, tiling); features themselves are in image.py, video.py and audio.py.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mmkit.errors import ModelError, ModelNotFound, label
from mmkit.shipped import SHIPPED, resolve

Channels = tuple[float, float, float]

CLIP_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Channels = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
HALF: Channels = (0.5, 0.5, 0.5)  # SigLIP, Qwen3-VL: pixels end up between -1 and 1


@dataclass(frozen=True)
class ImageRecipe:
    """The numbers that turn an RGB picture into what one family of vision encoders expects.

    resize says how the new size is found:
      "smart"     both sides to multiples of patch * merge, area between min_pixels and max_pixels (Qwen-VL)
      "shortest"  the shorter side to `size`, aspect kept, then the middle `crop` x `crop` (CLIP)
      "stretch"   to `size` x `size`, whatever the aspect was (SigLIP)
    """

    name: str
    mean: Channels
    std: Channels
    resize: Literal["smart", "shortest", "stretch"]
    size: int | None = None  # pixels a side, for "shortest" and "stretch"
    crop: int | None = None  # pixels a side, cut from the middle after "shortest"
    method: Literal["nearest", "bilinear", "bicubic"] = "bicubic"
    patch: int = 14  # pixels a side of a patch
    merge: int = 1  # merge x merge patches make one token
    temporal_patch: int = 1  # frames a patch holds; an image fills them with copies of itself
    min_pixels: int | None = None  # areas, for "smart"
    max_pixels: int | None = None
    extra_tokens: int = 0  # a class token, for example


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
    seconds: float | None = 30.0  # the model's window: longer clips are cut
    pad: bool = True  # fill shorter clips up to the window with silence
    tokens: Literal["window", "pooled", "stride"] | None = "window"
    stride: int = 4  # frames of one token, for "stride"

    @property
    def max_samples(self) -> int | None:
        """Samples of the model's window.

        >>> WHISPER.max_samples
        480000
        """
        return None if self.seconds is None else round(self.seconds * self.sample_rate)


# Images. Class defaults and published checkpoints differ: both are named.
IMAGENET = ImageRecipe(  # torchvision's ResNet and ViT-B/16; no vision-language model uses it
    "imagenet", IMAGENET_MEAN, IMAGENET_STD, "shortest", size=256, crop=224, method="bilinear", patch=16,
    extra_tokens=1,
)  # fmt: skip
CLIP = ImageRecipe(  # openai/clip-vit-base-patch32
    "clip", CLIP_MEAN, CLIP_STD, "shortest", size=224, crop=224, patch=32, extra_tokens=1
)
SIGLIP = ImageRecipe("siglip", HALF, HALF, "stretch", size=224, patch=16)  # google/siglip-base-patch16-224
QWEN2_VL = ImageRecipe(  # the default of transformers' Qwen2VLImageProcessor: at most 1,280 tokens
    "qwen2-vl", CLIP_MEAN, CLIP_STD, "smart", merge=2, temporal_patch=2,
    min_pixels=56 * 56, max_pixels=1280 * 28 * 28,
)  # fmt: skip
QWEN2_VL_2B_INSTRUCT = replace(  # the published checkpoint's own file: up to 16,384 tokens an image
    QWEN2_VL, name="qwen2-vl-2b-instruct", max_pixels=12_845_056
)
QWEN2_5_VL = replace(QWEN2_VL_2B_INSTRUCT, name="qwen2.5-vl")
QWEN3_VL = replace(  # patch 16, so a token is 32 x 32 pixels
    QWEN2_VL, name="qwen3-vl", mean=HALF, std=HALF, patch=16, min_pixels=65_536, max_pixels=16_777_216
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

# Audio. WhisperFeatureExtractor's defaults; the same at 128 mels; what torchaudio gives who asks for the numbers
# that many articles print (no log, no norm, HTK), for comparison: no language model uses it.
WHISPER = AudioRecipe("whisper")
WHISPER_LARGE_V3 = replace(WHISPER, name="whisper-large-v3", n_mels=128)
QWEN2_AUDIO = replace(WHISPER_LARGE_V3, name="qwen2-audio", tokens="pooled")
ARTICLE = AudioRecipe(
    "article", n_fft=2048, hop=512, n_mels=128, mel_scale="htk", norm=None, bank_dtype="float32", log=None,
    drop_last=False, seconds=None, pad=False, tokens=None,
)  # fmt: skip

# One table per modality: (presets by name, transformers' class names -> the preset that holds its defaults).
IMAGE_PRESETS = {r.name: r for r in (IMAGENET, CLIP, SIGLIP, QWEN2_VL, QWEN2_VL_2B_INSTRUCT, QWEN2_5_VL, QWEN3_VL)}
VIDEO_PRESETS = {r.name: r for r in (QWEN2_VL_VIDEO, QWEN2_VL_2B_INSTRUCT_VIDEO, QWEN2_5_VL_VIDEO, QWEN3_VL_VIDEO)}
IMAGE_CLASSES = {
    "Qwen2VLImageProcessor": QWEN2_VL,
    "CLIPImageProcessor": CLIP,
    "SiglipImageProcessor": SIGLIP,
    "ViTImageProcessor": replace(SIGLIP, name="vit", method="bilinear", extra_tokens=1),
}
VIDEO_CLASSES = {"Qwen2VLVideoProcessor": QWEN2_VL_VIDEO, "Qwen3VLVideoProcessor": QWEN3_VL_VIDEO}
AUDIO_PRESETS = {r.name: r for r in (WHISPER, WHISPER_LARGE_V3, QWEN2_AUDIO, ARTICLE)}
METHODS = {
    0: "nearest",
    2: "bilinear",
    3: "bicubic",
}  # numbers of PIL's Resampling, as config files hold them


def recipe_for(model: str | os.PathLike[str], modality: str = "image") -> Any:
    """The recipe of a preset name, a shipped model, a model directory, or a hub model downloaded before.

    model: "qwen2-vl", "clip" ... (IMAGE_PRESETS), "tiny-qwen2-vl", a folder with preprocessor_config.json or
    processor_config.json, or "owner/name".  modality: "image" or "video".  Returns its recipe.  Raises
    ModelNotFound where there is nothing of that name, ModelError where its files ask for something that mmkit
    does not do.

    >>> recipe_for("qwen2-vl").max_pixels, recipe_for("qwen2-vl-2b-instruct").max_pixels
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
    return read(folder)


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


def read_image_recipe(folder: Path) -> ImageRecipe:
    """An ImageRecipe from a model directory's own numbers; what they leave out is the class's default."""
    config = read_config(folder, "image_processor", "preprocessor_config.json")
    base = _base(config, "image_processor_type", IMAGE_CLASSES, folder)
    recipe = replace(base, name=folder.name, **_common(config, base))
    size = config.get("size", base.size)
    if base.resize == "smart":
        return replace(recipe, **_patching(config, base), **_pixel_limits(config, base))
    model = read_json(folder / "config.json")
    vision = model.get("vision_config", model)
    patch, merge = vision.get("patch_size", base.patch), vision.get("merge_size", base.merge)
    recipe = replace(recipe, patch=patch, merge=merge)
    crop = config.get("crop_size", base.crop) if config.get("do_center_crop", base.crop is not None) else None
    if isinstance(size, dict) and "shortest_edge" in size:
        return replace(recipe, resize="shortest", size=size["shortest_edge"], crop=_side(crop))
    resize = base.resize if isinstance(size, int) else "stretch"
    return replace(recipe, resize=resize, size=_side(size), crop=_side(crop))


def read_video_recipe(folder: Path) -> VideoRecipe:
    """A VideoRecipe from a model directory's own numbers; what they leave out is the class's default."""
    names = ("video_preprocessor_config.json", "preprocessor_config.json")
    config = read_config(folder, "video_processor", *names)
    if "video_processor_type" not in config and "Qwen2VL" in str(config.get("image_processor_type")):
        config = config | {"video_processor_type": "Qwen2VLVideoProcessor"}  # older checkpoints: one for both
    base = _base(config, "video_processor_type", VIDEO_CLASSES, folder)
    counts = {key: config[key] for key in ("fps", "min_frames", "max_frames") if config.get(key) is not None}
    return replace(
        base,
        name=folder.name,
        **_common(config, base),
        **_patching(config, base),
        **_pixel_limits(config, base),
        **counts,
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
        raise ModelError(f"resample {config['resample']} is not among nearest (0), bilinear (2), bicubic (3)")
    mean, std = config.get("image_mean", base.mean), config.get("image_std", base.std)
    return {"mean": tuple(mean), "std": tuple(std), "method": method}


def _patching(config: dict[str, Any], base: Any) -> dict[str, Any]:
    """Patch, merge and temporal patch sizes of a Qwen-VL processor."""
    return {
        "patch": config.get("patch_size", base.patch),
        "merge": config.get("merge_size", base.merge),
        "temporal_patch": config.get("temporal_patch_size", base.temporal_patch),
    }


def _pixel_limits(config: dict[str, Any], base: Any) -> dict[str, Any]:
    """Smallest and largest area: min_pixels and max_pixels first, else the size's misleading "edges"."""
    size = config.get("size")
    edges = size if isinstance(size, dict) else {}
    return {
        "min_pixels": config.get("min_pixels") or edges.get("shortest_edge", base.min_pixels),
        "max_pixels": config.get("max_pixels") or edges.get("longest_edge", base.max_pixels),
    }


def _side(size: int | dict[str, int] | None) -> int | None:
    """One number for a square size, however the config spells it."""
    if not isinstance(size, dict):
        return size
    if size.get("height") != size.get("width") or not size.get("height"):
        raise ModelError(f"size {size} is not a square, which mmkit does not do")
    return size["height"]


def read_audio_recipe(folder: Path) -> AudioRecipe:
    """An AudioRecipe from a model directory's own numbers; what they leave out is the class's default."""
    config = read_config(folder, "feature_extractor", "preprocessor_config.json")
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
