"""Tokens: what an item costs, from its size alone, and the largest size that a budget allows.

    height, width + recipe -> image_tokens        budget in tokens + height, width -> fit_tokens -> smaller size
    samples + recipe -> audio_tokens              budget in tokens -> audio_seconds
    frames, height, width -> video_tokens         budget in tokens -> fit_frames
    size + recipe -> count_image, count_audio, count_video; file + recipe -> count_file -> ItemCost
    text + ItemCosts -> Cost of a sample

One rule for everybody (`mmkit tokens`, `mmkit check`, the preprocessor): an item costs what the model is really
given. A clip under 0.1 s is filled up with silence, one over the model's window is refused; of a video, the frames
count that the recipe samples.
Follows transformers' get_number_of_image_patches and Qwen2AudioProcessor, and the prompts that vLLM expands;
they are the tests.
Leaves out the text and the tokens around an item (vision start and end): preprocessor.py adds them up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmkit import media
from mmkit.errors import EmptyMedia, LimitExceeded, MediaError, MmkitError, ModelError
from mmkit.image import picture_size
from mmkit.recipes import AudioRecipe, ImageRecipe, VideoRecipe, recipe_for, tokens_of
from mmkit.sizes import MAX_ASPECT, ShortestEdge, SmartResize
from mmkit.tiling import AnyRes, DynamicTiles, ImageSplitting
from mmkit.video import chooser, frame_clock, patch_times
from mmkit.video import target_size as frame_size

# ---------------------------------------------------------------------------------------------- images


def image_tokens(height: int, width: int, recipe: ImageRecipe) -> int:
    """How many tokens a picture becomes: (h / patch) (w / patch) / merge^2 after resizing, plus extras.

    height, width: pixels of the picture as it is seen (after an EXIF turn).  Families that cut it into tiles count
    each tile so, and the whole picture once more (tiling.py).
    Raises LimitExceeded where the recipe refuses the shape, EmptyMedia for no pixels.

    >>> from mmkit.recipes import CLIP, QWEN2_VL, QWEN2_VL_2B_INSTRUCT
    >>> [image_tokens(4000, 6000, recipe) for recipe in (QWEN2_VL, QWEN2_VL_2B_INSTRUCT, CLIP)]
    [1247, 16224, 50]
    """
    if isinstance(recipe.resize, (DynamicTiles, AnyRes, ImageSplitting)):
        side = recipe.resize.tile // recipe.patch // recipe.merge
        return recipe.resize.tokens(height, width, side) + recipe.extra_tokens
    height, width = seen_size(height, width, recipe)
    return (height // recipe.patch) * (width // recipe.patch) // recipe.merge**2 + recipe.extra_tokens


def seen_size(height: int, width: int, recipe: ImageRecipe) -> tuple[int, int]:
    """Height and width of what the model sees: after resizing and cropping.

    >>> from mmkit.recipes import CLIP, QWEN2_VL
    >>> seen_size(1080, 1920, QWEN2_VL), seen_size(1080, 1920, CLIP)
    ((728, 1316), (224, 224))
    """
    size = recipe.resize.target_size(height, width)
    crop = recipe.resize.crop if isinstance(recipe.resize, ShortestEdge) else None
    return (crop, crop) if crop else size


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
    if not isinstance(recipe.resize, SmartResize):
        cost = image_tokens(height, width, recipe)
        raise LimitExceeded(
            f"recipe {recipe.name} makes {cost} tokens of this picture, not {tokens}; its sizes are its own, "
            "and only those of Qwen-VL (SmartResize) can be made to fit"
        )
    sizes = smaller_sizes(height, width, recipe.resize)
    fitting = [size for size in sizes if image_tokens(*size, recipe) <= tokens]
    if not fitting:
        least = min(image_tokens(*size, recipe) for size in sizes)
        raise LimitExceeded(
            f"{width} x {height} pixels cost at least {least} tokens however small, not {tokens}; crop it"
        )
    return max(fitting, key=lambda size: (size[0] * size[1], size))


def smaller_sizes(height: int, width: int, resize: SmartResize) -> list[tuple[int, int]]:
    """Every grid size that SmartResize can give a picture of this shape when it is scaled down.

    Scaling by s rounds s * height and s * width to whole cells; each pair of cells that one s reaches counts.
    """
    cell = resize.factor
    rows, columns = height / cell, width / cell
    sizes = [smallest_size(height, width, resize)]
    for gh in range(1, math.ceil(rows) + 1):
        # s rounds to gh rows between (gh - 1/2) / rows and (gh + 1/2) / rows; so columns lie between:
        first = max(1, math.ceil((gh - 0.5) / rows * columns - 0.5))
        last = max(1, math.floor((gh + 0.5) / rows * columns + 0.5))
        for gw in range(first, min(last, math.ceil(columns)) + 1):
            area = gh * gw * cell**2
            in_limits = resize.min_pixels <= area <= resize.max_pixels
            if in_limits and max(gh, gw) <= MAX_ASPECT * min(gh, gw):
                sizes.append((gh * cell, gw * cell))
    return sizes


def smallest_size(height: int, width: int, resize: SmartResize) -> tuple[int, int]:
    """What SmartResize enlarges a thumbnail of this shape to: the area is min_pixels, rounded up."""
    cell = resize.factor
    scale = math.sqrt(resize.min_pixels / (height * width))
    tall, wide = math.ceil(height * scale / cell) * cell, math.ceil(width * scale / cell) * cell
    return resize.target_size(tall, wide)


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


MIN_SECONDS = 0.1  # a shorter clip is filled up with silence: encoders need some frames to stand on


def heard_samples(samples: int, rate: int, recipe: AudioRecipe) -> int:
    """How many samples the model is given of a clip: resampled, at least MIN_SECONDS, at most the model's window.

    samples: of the clip, at `rate` Hz.  Returns samples at recipe.sample_rate: what is missing to MIN_SECONDS is
    silence.  Raises LimitExceeded over the window, for the model would drop the rest without a word; EmptyMedia.

    >>> from mmkit.recipes import QWEN2_AUDIO
    >>> [heard_samples(samples, 44_100, QWEN2_AUDIO) for samples in (1, 44_100)]
    [1600, 16000]
    """
    if samples <= 0:
        raise EmptyMedia("0 samples; nothing to hear", modality="audio")
    heard = resampled_length(samples, rate, recipe.sample_rate)
    if heard > recipe.max_samples:
        raise LimitExceeded(
            f"{samples / rate:.1f} s of sound; {recipe.name} hears {recipe.seconds:g} s and would drop the rest; "
            "cut the clip into pieces",
            modality="audio",
        )
    return max(heard, round(MIN_SECONDS * recipe.sample_rate))


def audio_seconds(tokens: int, recipe: AudioRecipe) -> float:
    """The longest clip that costs at most `tokens`: the inverse of audio_tokens.

    Raises LimitExceeded where no clip is that cheap.

    >>> from mmkit.recipes import QWEN2_AUDIO, WHISPER
    >>> audio_seconds(25, QWEN2_AUDIO), audio_seconds(1500, WHISPER)
    (1.02, 30.0)
    """
    dearest = audio_tokens(recipe.max_samples, recipe)
    if tokens >= dearest:
        return recipe.seconds
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
    repeated.  height, width: pixels.  Qwen3-VL's written times between the patches are text: count_video adds them.
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


# ---------------------------------------------------------------------------------------------- one item


@dataclass(frozen=True)
class ItemCost:
    """What one item costs.

    tokens: that its placeholder becomes in the prompt; None where the family's formula is not known.
    given: what was handed over, in words: "640 x 480", "3.20 s", "24 frames of 320 x 240".
    size: of what the model sees: (height, width), (n_mels, frames that hold the clip) or (frames, height, width).
    index: position among the sample's items of its modality.  fits: the size for the budget that was asked.
    """

    modality: str
    source: str
    given: str
    tokens: int | None
    size: tuple[int, ...] = ()
    index: int = 0
    fits: tuple[int, ...] | None = None


def count_image(height: int, width: int, recipe: ImageRecipe | None, source: str = "") -> ItemCost:
    """The cost of a picture of this size, in pixels as it is seen.  Raises LimitExceeded, EmptyMedia.

    >>> from mmkit.recipes import QWEN2_VL
    >>> count_image(480, 640, QWEN2_VL)
    ItemCost(modality='image', source='', given='640 x 480', tokens=391, size=(476, 644), index=0, fits=None)
    """
    cost = ItemCost("image", source, f"{width} x {height}", None)
    if recipe is None:
        return cost
    return replace(cost, tokens=image_tokens(height, width, recipe), size=seen_size(height, width, recipe))


def count_audio(samples: int, rate: int, recipe: AudioRecipe | None, source: str = "") -> ItemCost:
    """The cost of a clip of so many samples at `rate` Hz.  Raises LimitExceeded over the window, EmptyMedia.

    >>> from mmkit.recipes import QWEN2_AUDIO
    >>> count_audio(88_200, 44_100, QWEN2_AUDIO)
    ItemCost(modality='audio', source='', given='2.00 s', tokens=50, size=(128, 200), index=0, fits=None)
    """
    cost = ItemCost("audio", source, f"{samples / rate:.2f} s", None)
    if recipe is None:
        return cost
    heard = heard_samples(samples, rate, recipe)
    size = (recipe.n_mels, math.ceil(heard / recipe.hop))
    return replace(cost, tokens=audio_tokens(heard, recipe) if recipe.tokens else None, size=size)


def count_video(
    times: np.ndarray, height: int, width: int, recipe: VideoRecipe | None, source: str = ""
) -> ItemCost:
    """The cost of a video of which the model is given frames at these times.  Raises LimitExceeded, EmptyMedia.

    times: (T,) seconds, which some families write into the prompt.

    >>> from mmkit.recipes import QWEN2_VL_VIDEO
    >>> count_video(np.arange(16) / 2, 720, 1280, QWEN2_VL_VIDEO).tokens
    5760
    """
    frames = len(times)
    cost = ItemCost("video", source, f"{frames} frames of {width} x {height}", None)
    if recipe is None:
        return cost
    tokens = video_tokens(frames, height, width, recipe)
    if recipe.stamps is not None:  # before each patch its time, and two marks around it
        stamps = [f"<{time:.1f} seconds>" for time in patch_times(times, recipe.temporal_patch)]
        tokens += sum(tokens_of(recipe.stamps, stamp) + 2 for stamp in stamps)
    return replace(cost, tokens=tokens, size=(frames, *frame_size(frames, height, width, recipe)))


def count_file(blob: media.Blob, recipe: Any, limits: media.Limits = media.LIMITS) -> ItemCost:
    """The cost of a file, from its header.  recipe: of the file's modality, or None.

    Pictures and videos are not decoded: a video's packets are counted, and the recipe says how many of the frames
    the model is given. WAV and FLAC state their length; what other sound formats state holds the codec's padding,
    so they are decoded.  Raises a MediaError.
    """
    media.check_header(blob.header, blob.modality, limits)
    if blob.modality == "image":
        return count_image(*picture_size(blob), recipe, blob.label)
    if blob.modality == "video":
        clock, fps, height, width = frame_clock(blob, limits)
        chosen = list(chooser(None, None, None, recipe)(len(clock), fps))
        return count_video(clock[chosen] / fps, height, width, recipe, blob.label)
    samples, rate = blob.header.samples, blob.header.sample_rate
    if blob.format not in ("wav", "flac") or not samples:
        from mmkit.audio import decode

        channels, rate, _ = decode(blob, limits)
        samples = len(channels)
    return count_audio(samples, rate, recipe, blob.label)


DEFAULTS = {"image": "qwen2-vl", "audio": "qwen2-audio", "video": "qwen2-vl"}  # where the caller names none


def cost(source: Any, recipe: str | None = None, *, fit: int | None = None, **guard: Any) -> ItemCost:
    """The cost of one file under a recipe's name or a model directory, read from its header.

    source: as media.read takes it.  recipe: left out, the one in DEFAULTS.  fit: a budget in tokens; for images,
    the largest size within it is added.  guard: root, limits, fetch of media.read.
    Raises a MediaError or ModelError.
    """
    blob = media.read(source, **guard)
    numbers = recipe_for(recipe or DEFAULTS[blob.modality], blob.modality)
    if blob.modality == "audio" and numbers.tokens is None:
        raise ModelError(f"recipe {numbers.name} belongs to no model: it has no token count")
    try:
        found = count_file(blob, numbers, guard.get("limits", media.LIMITS))
        if fit is not None and blob.modality == "image":
            found = replace(found, fits=fit_tokens(*picture_size(blob), fit, numbers))
    except MmkitError as error:
        raise error.at(source=blob.label, modality=blob.modality) from error.cause
    return found


def cost_row(source: str, recipe: str | None = None, *, fit: int | None = None) -> dict[str, Any]:
    """A cost as `mmkit tokens --json` prints it: source as given, modality, tokens, size; or source and error."""
    try:
        found = cost(source, recipe, fit=fit)
    except MediaError as error:
        return {"source": source, "error": error.as_row()}
    row = {"source": source, "modality": found.modality, "tokens": found.tokens, "size": list(found.size)}
    return row | ({"fits": list(found.fits)} if found.fits else {})


# ------------------------------------------------------------------------------------------- a whole sample


@dataclass(frozen=True)
class Cost:
    """What a sample costs, in tokens of the model's context.

    text: everything that is not an item: the question, the template, the tokens around placeholders.
    context: how many there may be.  encoded_apart: the items' tokens are not in the context, since an encoder of
    their own takes them and the decoder looks at them by cross-attention (Whisper).
    """

    text: int
    items: tuple[ItemCost, ...]
    context: int
    encoded_apart: bool = False

    @property
    def total(self) -> int:
        """Tokens of the expanded prompt; items of unknown cost are left out.

        >>> Cost(7, (ItemCost("image", "a.png", "28 x 28", 1),), 100).total
        8
        """
        return self.text + (0 if self.encoded_apart else sum(item.tokens or 0 for item in self.items))

    def table(self) -> str:
        """One line: the text, then each item with its size; of many items those that cost most."""
        shown = sorted(range(len(self.items)), key=lambda i: -(self.items[i].tokens or 0))[:MAX_SHOWN]
        parts = [f"text {self.text}"]
        for item in (self.items[i] for i in sorted(shown)):
            tokens = "unknown" if item.tokens is None else item.tokens
            parts.append(f"{item.modality} {item.index} ({item.source}, {item.given}) {tokens}")
        if len(self.items) > MAX_SHOWN:
            parts.append(f"{len(self.items) - MAX_SHOWN} more items")
        return "; ".join(parts)


MAX_SHOWN = 8  # items in the table of an error
