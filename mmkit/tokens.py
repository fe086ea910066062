"""Tokens: what an item costs, from its size alone, and the largest size that a budget allows.

    height, width + recipe -> image_tokens        budget in tokens + height, width -> fit_tokens -> smaller size
    samples + recipe -> audio_tokens              budget in tokens -> audio_seconds
    frames, height, width -> video_tokens         budget in tokens -> fit_frames
    file + recipe name -> cost -> Cost (source, modality, tokens, size), from the header, nothing decoded

Follows transformers' get_number_of_image_patches and Qwen2AudioProcessor, and the prompts that vLLM expands;
they are the tests.
Leaves out the tokens around an item (vision start and end) and the text: preprocessor.py adds them up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmkit import media
from mmkit.errors import EmptyMedia, LimitExceeded, MediaError, MmkitError, ModelError, UnsupportedFormat
from mmkit.image import MAX_ASPECT, picture_size, smart_resize, target_size
from mmkit.recipes import AudioRecipe, ImageRecipe, VideoRecipe, recipe_for
from mmkit.video import chooser, count_frames
from mmkit.video import target_size as frame_size

# ---------------------------------------------------------------------------------------------- images


def image_tokens(height: int, width: int, recipe: ImageRecipe) -> int:
    """How many embeddings a picture becomes: (h / patch) (w / patch) / merge^2 after resizing, plus extras.

    height, width: pixels of the picture as it is seen (after an EXIF turn).
    Raises LimitExceeded where the recipe refuses the shape, EmptyMedia for no pixels.

    >>> from mmkit.recipes import CLIP, QWEN2_VL, QWEN2_VL_2B_INSTRUCT
    >>> [image_tokens(4000, 6000, recipe) for recipe in (QWEN2_VL, QWEN2_VL_2B_INSTRUCT, CLIP)]
    [1247, 16224, 50]
    """
    height, width = seen_size(height, width, recipe)
    return (height // recipe.patch) * (width // recipe.patch) // recipe.merge**2 + recipe.extra_tokens


def seen_size(height: int, width: int, recipe: ImageRecipe) -> tuple[int, int]:
    """Height and width of what the model sees: after resizing and cropping.

    >>> from mmkit.recipes import CLIP, QWEN2_VL
    >>> seen_size(1080, 1920, QWEN2_VL), seen_size(1080, 1920, CLIP)
    ((728, 1316), (224, 224))
    """
    size = target_size(height, width, recipe)
    return (recipe.crop, recipe.crop) if recipe.crop else size


def fit_tokens(height: int, width: int, tokens: int, recipe: ImageRecipe) -> tuple[int, int]:
    """The largest size of the same shape that costs at most `tokens`.

    Returns (height, width), already on the recipe's grid, so that resizing to it is the last resize.  A picture
    that fits as it is keeps its own target size: nothing is enlarged.
    Raises LimitExceeded, naming the smallest possible cost, where no size of that shape fits.

    >>> from mmkit.recipes import QWEN2_VL
    >>> fit_tokens(1080, 1920, 300, QWEN2_VL), image_tokens(364, 644, QWEN2_VL)
    ((364, 644), 299)
    """
    if image_tokens(height, width, recipe) <= tokens:
        return seen_size(height, width, recipe)
    if recipe.resize != "smart":
        cost = image_tokens(height, width, recipe)
        raise LimitExceeded(f"recipe {recipe.name} makes {cost} tokens of every picture, not {tokens}")
    sizes = smaller_sizes(height, width, recipe)
    fitting = [size for size in sizes if image_tokens(*size, recipe) <= tokens]
    if not fitting:
        least = min(image_tokens(*size, recipe) for size in sizes)
        raise LimitExceeded(
            f"{width} x {height} pixels cost at least {least} tokens however small, not {tokens}; crop it"
        )
    return max(fitting, key=lambda size: (size[0] * size[1], size))


def smaller_sizes(height: int, width: int, recipe: ImageRecipe) -> list[tuple[int, int]]:
    """Every grid size that a "smart" recipe can give a picture of this shape when it is scaled down.

    Scaling by s rounds s * height and s * width to whole cells; each pair of cells that one s reaches counts.
    """
    cell = recipe.patch * recipe.merge
    rows, columns = height / cell, width / cell
    sizes = [smallest_size(height, width, recipe)]
    for gh in range(1, math.ceil(rows) + 1):
        # s rounds to gh rows between (gh - 1/2) / rows and (gh + 1/2) / rows; so columns lie between:
        first = max(1, math.ceil((gh - 0.5) / rows * columns - 0.5))
        last = max(1, math.floor((gh + 0.5) / rows * columns + 0.5))
        for gw in range(first, min(last, math.ceil(columns)) + 1):
            area = gh * gw * cell**2
            in_limits = recipe.min_pixels <= area <= recipe.max_pixels
            if in_limits and max(gh, gw) <= MAX_ASPECT * min(gh, gw):
                sizes.append((gh * cell, gw * cell))
    return sizes


def smallest_size(height: int, width: int, recipe: ImageRecipe) -> tuple[int, int]:
    """What a "smart" recipe enlarges a thumbnail of this shape to: the area is min_pixels, rounded up."""
    cell = recipe.patch * recipe.merge
    scale = math.sqrt(recipe.min_pixels / (height * width))
    tall, wide = math.ceil(height * scale / cell) * cell, math.ceil(width * scale / cell) * cell
    return smart_resize(tall, wide, cell, recipe.min_pixels, recipe.max_pixels)


# ---------------------------------------------------------------------------------------------- audio


def audio_tokens(samples: int, recipe: AudioRecipe) -> int:
    """How many embeddings a clip becomes.

    samples: of the clip at recipe.sample_rate; what is over the recipe's window is cut off, as the models do.
    "window" (Whisper): half of the window's frames, for one convolution steps by 2; silence costs the same.
    "pooled" (Qwen2-Audio): of L = ceil(samples / hop) frames, a = floor((L - 1) / 2) + 1 leave the convolution,
    and floor((a - 2) / 2) + 1 the pooling: 25 a second.
    "stride" (tiny-omni): ceil(L / stride), for the processor fills the last token up with silence.
    Raises EmptyMedia for no samples, LimitExceeded for a clip too short to give one, ModelError where the
    recipe belongs to no model.

    >>> from mmkit.recipes import QWEN2_AUDIO, WHISPER
    >>> [audio_tokens(round(seconds * 16_000), QWEN2_AUDIO) for seconds in (0.04, 1, 30, 40)]
    [1, 25, 750, 750]
    >>> audio_tokens(16_000, WHISPER)
    1500
    """
    if samples <= 0:
        raise EmptyMedia("0 samples; nothing to hear", modality="audio")
    if recipe.tokens is None:
        raise ModelError(f"recipe {recipe.name} belongs to no model: it has no token count")
    if recipe.tokens == "window":
        return recipe.max_samples // recipe.hop // 2
    frames = math.ceil(min(samples, recipe.max_samples) / recipe.hop)
    if recipe.tokens == "stride":
        return math.ceil(frames / recipe.stride)
    tokens = ((frames - 1) // 2 + 1 - 2) // 2 + 1
    if tokens == 0:
        least = 2 * recipe.hop + 1
        raise LimitExceeded(
            f"{samples} samples at {recipe.sample_rate} Hz are too short for one token; "
            f"at least {least} ({1000 * least / recipe.sample_rate:.0f} ms) are needed: add silence",
            modality="audio",
        )
    return tokens


def audio_seconds(tokens: int, recipe: AudioRecipe) -> float:
    """The longest clip that costs at most `tokens`: the inverse of audio_tokens.

    Raises LimitExceeded where no clip is that cheap.

    >>> from mmkit.recipes import QWEN2_AUDIO, WHISPER
    >>> audio_seconds(25, QWEN2_AUDIO), audio_seconds(1500, WHISPER)
    (1.02, 30.0)
    """
    dearest = audio_tokens(recipe.max_samples or 1, recipe)
    if tokens >= dearest:
        return float(recipe.seconds)
    if recipe.tokens == "window":
        raise LimitExceeded(f"recipe {recipe.name} makes {dearest} tokens of every clip, not {tokens}")
    if tokens < 1:
        raise LimitExceeded(f"a clip costs at least 1 token, not {tokens}")
    if recipe.tokens == "stride":
        return recipe.stride * tokens * recipe.hop / recipe.sample_rate
    return (4 * tokens + 2) * recipe.hop / recipe.sample_rate  # 4k + 2 frames give k tokens, 4k + 3 one more


def resampled_length(samples: int, old_rate: int, new_rate: int) -> int:
    """How many samples audio.resample returns: samples * new / old, rounded, halves up.

    >>> resampled_length(44_101, 44_100, 16_000)
    16000
    """
    return (2 * samples * new_rate + old_rate) // (2 * old_rate)


# ---------------------------------------------------------------------------------------------- video


def video_tokens(frames: int, height: int, width: int, recipe: VideoRecipe) -> int:
    """How many embeddings a clip becomes: gt * (h / patch) (w / patch) / merge^2 after resizing.

    frames: that the model is given (after sampling); gt = ceil(frames / temporal_patch), for the last frame is
    repeated.  height, width: pixels.  Qwen3-VL's written times between the patches are text and not counted.
    Raises LimitExceeded where the recipe refuses the shape, EmptyMedia for no frames or pixels.

    >>> from mmkit.recipes import QWEN2_VL_VIDEO
    >>> [video_tokens(frames, 720, 1280, QWEN2_VL_VIDEO) for frames in (1, 2, 3, 16)]
    [720, 720, 1440, 5760]
    """
    if frames < 1:
        raise EmptyMedia("0 frames; nothing to see", modality="video")
    high, wide = frame_size(frames, height, width, recipe)
    patches = math.ceil(frames / recipe.temporal_patch) * (high // recipe.patch) * (wide // recipe.patch)
    return patches // recipe.merge**2


def fit_frames(height: int, width: int, tokens: int, recipe: VideoRecipe) -> int:
    """The most frames of this size that cost at most `tokens`: whole temporal patches, within the recipe's limit.

    Raises LimitExceeded, naming the smallest possible cost, where not even one temporal patch fits.

    >>> from mmkit.recipes import QWEN2_VL_VIDEO
    >>> fit_frames(720, 1280, 4000, QWEN2_VL_VIDEO)
    10
    """
    counts = range(recipe.temporal_patch, recipe.max_frames + 1, recipe.temporal_patch)
    fitting = [count for count in counts if video_tokens(count, height, width, recipe) <= tokens]
    if not fitting:
        least = video_tokens(recipe.temporal_patch, height, width, recipe)
        raise LimitExceeded(
            f"{recipe.temporal_patch} frames of {width} x {height} pixels cost {least} tokens, not {tokens}; "
            "send smaller frames, or a recipe with a smaller max_pixels",
            modality="video",
        )
    return max(fitting)


# ---------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class Cost:
    """What one file costs.

    size: of what the model sees: (height, width), (n_mels, frames that hold the clip) or (frames, height, width).
    fits: the size for the budget that was asked.
    """

    source: str
    modality: str
    tokens: int
    size: tuple[int, ...]
    fits: tuple[int, ...] | None = None


DEFAULTS = {"image": "qwen2-vl", "audio": "qwen2-audio", "video": "qwen2-vl"}  # where the caller names none


def cost(source: Any, recipe: str | None = None, *, fit: int | None = None, **guard: Any) -> Cost:
    """The cost of one file under a recipe's name or a model directory, read from its header.

    source: as media.read takes it.  recipe: left out, the one in DEFAULTS.  fit: a budget in tokens; for images,
    the largest size within it is added.  guard: root, limits, fetch of media.read.
    Raises a MediaError or ModelError.
    """
    blob = media.read(source, **guard)
    if blob.modality not in COUNTERS:
        raise UnsupportedFormat(f"no token count for {blob.modality} yet", source=blob.label)
    numbers = recipe_for(recipe or DEFAULTS[blob.modality], blob.modality)
    try:
        tokens, size = COUNTERS[blob.modality](blob, numbers)
        wanted = fit is not None and blob.modality == "image"
        fits = fit_tokens(*picture_size(blob), fit, numbers) if wanted else None
    except MmkitError as error:
        raise error.at(source=blob.label, modality=blob.modality) from error.cause
    return Cost(blob.label, blob.modality, tokens, size, fits)


def cost_row(source: str, recipe: str | None = None, *, fit: int | None = None) -> dict[str, Any]:
    """A cost as `mmkit tokens --json` prints it: source as given, modality, tokens, size; or source and error."""
    try:
        found = cost(source, recipe, fit=fit)
    except MediaError as error:
        return {"source": source, "error": error.as_row()}
    row = {"source": source, "modality": found.modality, "tokens": found.tokens, "size": list(found.size)}
    return row | ({"fits": list(found.fits)} if found.fits else {})


def count_image(blob: media.Blob, recipe: ImageRecipe) -> tuple[int, tuple[int, ...]]:
    """Tokens and seen size of an image file."""
    height, width = picture_size(blob)
    return image_tokens(height, width, recipe), seen_size(height, width, recipe)


def count_audio(blob: media.Blob, recipe: AudioRecipe) -> tuple[int, tuple[int, ...]]:
    """Tokens and (n_mels, frames that hold the clip) of a sound file.

    WAV and FLAC state their length; what other formats state holds the codec's padding, so they are decoded.
    """
    samples, rate = blob.header.samples, blob.header.sample_rate
    if blob.format not in ("wav", "flac") or not samples:
        from mmkit.audio import decode

        channels, rate, _ = decode(blob)
        samples = len(channels)
    samples = resampled_length(samples, rate, recipe.sample_rate)
    seen = min(samples, recipe.max_samples or samples)
    return audio_tokens(samples, recipe), (recipe.n_mels, math.ceil(seen / recipe.hop))


def count_video(blob: media.Blob, recipe: VideoRecipe) -> tuple[int, tuple[int, ...]]:
    """Tokens and (frames, height, width) that the model sees of a video file, sampled as the recipe does."""
    total, fps, height, width = count_frames(blob)
    frames = len(list(chooser(None, None, None, recipe)(total, fps)))
    return video_tokens(frames, height, width, recipe), (frames, *frame_size(frames, height, width, recipe))


# modality -> function of (blob, recipe) that gives (tokens, size)
COUNTERS: dict[str, Callable[[media.Blob, Any], tuple[int, tuple[int, ...]]]] = {
    "image": count_image,
    "audio": count_audio,
    "video": count_video,
}
