"""tiny-qwen2-vl: a genuine Qwen2VLForConditionalGeneration of 1.4 million parameters, and all around it.

    train_tokenizer -> build_processor -> build_model -> save: a directory that transformers and vLLM load

Follows Qwen2-VL (Wang et al., 2024): patches of 14, merged two by two, M-RoPE, the same special tokens and
the same chat template, except that it adds no system prompt of its own.
An image is shown to the model at 112 x 112 to 140 x 140 pixels' worth (16 to 25 tokens), whatever its size.
Leaves out training (train.py) and the fast forward (forward.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmkit.zoo.worlds import charts, shapes
from mmkit.zoo.worlds.shapes import COLORS, DIRECTIONS, NUMBER_WORDS, SHAPES, with_article

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
                  "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")  # fmt: skip
TOKEN_NAMES: dict[str, Any] = {
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "extra_special_tokens": {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_bos_token": "<|vision_start|>",
        "vision_eos_token": "<|vision_end|>",
    },
}
MIN_PIXELS, MAX_PIXELS = 112 * 112, 140 * 140
# vLLM places the text behind a video after its last frame, transformers after its longest side: they agree
# as long as the frames are no more than two for each token of that side (4 x 4 tokens at least).
MAX_FRAMES = 8
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url', 'image_pil', 'input_image') %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] in ('video', 'video_url') %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant that answers questions about images.",
    "You are a friendly teacher. Answer in a few words.",
    "Answer briefly.",
    "You look at pictures and say what is in them.",
    "You are a careful assistant. Answer with one word if you can.",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    "Be short and exact.",
)


ANSWERS = (*DIRECTIONS, "top", "bottom", "yes", "no", "first", "second")


def training_text() -> Iterator[str]:
    """Lines with every word that the model needs, the common ones more often: food for the tokenizer."""
    rng = random.Random(1)
    questions = shapes.PHRASINGS | charts.PHRASINGS
    for _ in range(1500):
        color, shape = rng.choice(tuple(COLORS)), rng.choice(SHAPES)
        for phrasings in questions.values():
            a = with_article(color).split()[0]
            slots = {"color": color, "shape": shape, "shapes": shape + "s", "a": a}
            yield rng.choice(phrasings).format(**slots)
        yield f"{with_article(color)} {shape}, a {color} {shape} and an {color} {shape}"
        yield from (color, shape, rng.choice(NUMBER_WORDS), rng.choice(ANSWERS))  # an answer is one token
        yield rng.choice(NUMBER_WORDS) + " " + rng.choice(ANSWERS)
        yield "first second picture photo drawing Please Question Now, Look at Answer briefly in one word"
        yield f"no shapes\nuser\nassistant\nsystem\n {color} {shape} crosses"
    yield from SYSTEM_PROMPTS * 20


def train_tokenizer(lines: Iterable[str] | None = None) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the world's words; digits stay single, and any text can be encoded.

    lines: text to learn from, training_text() by default.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text() if lines is None else lines, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **TOKEN_NAMES)


def build_processor(
    tokenizer: PreTrainedTokenizerFast, pixels: tuple[int, int] = (MIN_PIXELS, MAX_PIXELS), patch: int = 14
) -> Qwen2VLProcessor:
    """transformers' Qwen2-VL processor for images and video, with our tokenizer, sizes and chat template.

    pixels: fewest and most of an image as the model sees it.  patch: side of a patch in pixels.
    """
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": pixels[0], "longest_edge": pixels[1]}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=dict(size), patch_size=patch),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(
            size=dict(size),
            patch_size=patch,
            do_sample_frames=False,
            cap_pixels_per_frame=False,
            min_frames=MAX_FRAMES,  # for whoever samples by these numbers: eight frames of any clip
            max_frames=MAX_FRAMES,
        ),
        chat_template=CHAT_TEMPLATE,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, seed: int = 0, tower: Mapping[str, Any] | None = None
) -> Qwen2VLForConditionalGeneration:
    """An untrained model: vision tower of 3 layers, decoder of 3 layers, 128 wide, tied embeddings.

    tower: other numbers for the vision tower's configuration.

    The rotary base is 1000: at the usual million, the height of a grid of 4 x 4 would turn its dimensions by
    nothing; at 30, every dimension turns within a sentence, and a word finds its shape only from one distance.
    """
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    token_id: Any = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 256,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "initializer_range": 0.05,
        "tie_word_embeddings": True, "bos_token_id": 0, "pad_token_id": 0, "eos_token_id": token_id("<|im_end|>"),
        "rope_parameters": {"rope_type": "default", "type": "mrope", "rope_theta": 1000.0,
                            "mrope_section": [4, 6, 6]},
    }  # fmt: skip
    vision = {
        "depth": 3, "embed_dim": 128, "hidden_size": 128, "num_heads": 4, "mlp_ratio": 2,
        "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "in_channels": 3,
        "initializer_range": 0.05,
    } | dict(tower or {})  # fmt: skip
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = token_id("<|im_end|>")
    model.generation_config.pad_token_id = 0
    return model.eval()


def save(model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, directory: Path) -> None:
    """Write weights (float32 safetensors), configuration, processor, tokenizer and chat template, readable."""
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    for file in Path(directory).iterdir():
        file.chmod(0o644)
