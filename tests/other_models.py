"""Model folders of other people's families: config, tokenizer and processor, no weights; small, and made offline.

Sizes are small (tiles of 56 or 64 pixels), so that hundreds of pictures are processed in seconds; every rule is the
family's own, since the classes are transformers'.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTEXT = 4096
TEXT = {
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "num_key_value_heads": 4, "max_position_embeddings": CONTEXT,
}  # fmt: skip
VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
ROPE = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
TEMPLATE = (
    "{{{{ bos_token or '' }}}}{{% for m in messages %}}<|im_start|>{{{{ m['role'] }}}}\n"
    "{{% for c in m['content'] %}}{{% if c['type'] == 'text' %}}{{{{ c['text'] }}}}"
    "{{% elif c['type'] == 'image' %}}{image}{{% elif c['type'] == 'video' %}}{video}{{% endif %}}{{% endfor %}}"
    "<|im_end|>\n{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)


def train_tokenizer(specials: list[str], **names: str) -> Any:
    """A byte-level BPE with the family's control tokens; "\\n\\n" is one token, as in the published ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    control = ["<pad>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>", *specials]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=control, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(
        ["a\n\n", "b\n\n\n", "c\n\n\n\n", "What is seen in the image? seconds frame"] * 9, trainer
    )
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named, extra_special_tokens=names)


def llava(folder: Path) -> None:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaProcessor

    tokenizer = train_tokenizer(["<image>"], image_token="<image>")
    pictures = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size=56)
    save(
        folder,
        LlavaProcessor(
            pictures, tokenizer, patch_size=14, vision_feature_select_strategy="default",
            num_additional_image_tokens=1, chat_template=TEMPLATE.format(image="<image>\n", video=""),
        ),
        LlavaConfig(
            vision_config=CLIPVisionConfig(image_size=56, patch_size=14, **VISION),
            text_config=LlamaConfig(vocab_size=len(tokenizer), **TEXT),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        ),
        "LlavaForConditionalGeneration",
    )  # fmt: skip


def llava_next(folder: Path) -> None:
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaNextConfig,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    tokenizer = train_tokenizer(["<image>"], image_token="<image>")
    canvases = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]
    pictures = LlavaNextImageProcessor(size={"shortest_edge": 56}, crop_size=56, image_grid_pinpoints=canvases)
    save(
        folder,
        LlavaNextProcessor(
            pictures, tokenizer, patch_size=14, vision_feature_select_strategy="default",
            num_additional_image_tokens=1, chat_template=TEMPLATE.format(image="<image>\n", video=""),
        ),
        LlavaNextConfig(
            vision_config=CLIPVisionConfig(image_size=56, patch_size=14, **VISION),
            text_config=LlamaConfig(vocab_size=len(tokenizer), **TEXT), image_grid_pinpoints=canvases,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        ),
        "LlavaNextForConditionalGeneration",
    )  # fmt: skip


def qwen(folder: Path, name: str, patch: int) -> None:
    import transformers

    marks = {
        "image_token": "<|image_pad|>", "video_token": "<|video_pad|>",
        "vision_start_token": "<|vision_start|>", "vision_end_token": "<|vision_end|>",
    }  # fmt: skip
    tokenizer = train_tokenizer(list(marks.values()), **marks)
    size = {"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 40 * (2 * patch) ** 2}
    shape = {"patch_size": patch, "merge_size": 2, "temporal_patch_size": 2}
    videos = getattr(transformers, "Qwen3VLVideoProcessor" if name == "Qwen3VL" else "Qwen2VLVideoProcessor")
    around = {m: f"<|vision_start|>{marks[f'{m}_token']}<|vision_end|>" for m in ("image", "video")}
    ids = {f"{n}_token_id": tokenizer.convert_tokens_to_ids(marks[f"{n}_token"]) for n in
           ("image", "video", "vision_start", "vision_end")}  # fmt: skip
    vision = {"depth": 1, "hidden_size": 32, "num_heads": 2, "out_hidden_size": 64, "intermediate_size": 32}
    deep = {"deepstack_visual_indexes": [0], "num_position_embeddings": 64} if name == "Qwen3VL" else {}
    save(
        folder,
        getattr(transformers, f"{name}Processor")(
            transformers.Qwen2VLImageProcessor(size=size, **shape), tokenizer, videos(size=size, **shape),
            chat_template=TEMPLATE.format(**around),
        ),
        getattr(transformers, f"{name}Config")(
            vision_config={**vision, "patch_size": patch, "spatial_merge_size": 2, **deep},
            text_config={"vocab_size": len(tokenizer), **TEXT, "head_dim": 16, "rope_parameters": ROPE},
            **ids,
        ),
        f"{name}ForConditionalGeneration",
    )  # fmt: skip


def qwen2_5_vl(folder: Path) -> None:
    qwen(folder, "Qwen2_5_VL", 14)


def qwen3_vl(folder: Path) -> None:
    qwen(folder, "Qwen3VL", 16)


def gemma3(folder: Path) -> None:
    from transformers import Gemma3Config, Gemma3ImageProcessor, Gemma3Processor

    marks = {
        "image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
    }  # fmt: skip
    tokenizer = train_tokenizer(list(marks.values()), **marks)
    tokenizer.add_tokens(["\n" * number for number in range(1, 5)])  # as Gemma's: up to four in one token
    save(
        folder,
        Gemma3Processor(
            Gemma3ImageProcessor(size={"height": 112, "width": 112}), tokenizer, image_seq_length=16,
            chat_template=TEMPLATE.format(image="<start_of_image>", video=""),
        ),
        Gemma3Config(
            vision_config={"model_type": "siglip_vision_model", "image_size": 112, "patch_size": 14, **VISION},
            text_config={"vocab_size": len(tokenizer), "head_dim": 16, **TEXT}, mm_tokens_per_image=16,
            boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
            eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
            image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        ),
        "Gemma3ForConditionalGeneration",
    )  # fmt: skip


def internvl(folder: Path) -> None:
    from transformers import GotOcr2ImageProcessor, InternVLConfig, InternVLProcessor, InternVLVideoProcessor

    marks = {
        "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }  # fmt: skip
    tokenizer = train_tokenizer(list(marks.values()), **marks)
    size = {"height": 56, "width": 56}
    save(
        folder,
        InternVLProcessor(
            GotOcr2ImageProcessor(size=size, max_patches=6), tokenizer, InternVLVideoProcessor(size=size),
            image_seq_length=4, chat_template=TEMPLATE.format(image="<IMG_CONTEXT>\n", video="<video>\n"),
        ),
        InternVLConfig(
            vision_config={"image_size": [56, 56], "patch_size": [14, 14], **VISION},
            text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **TEXT}, image_seq_length=4,
            image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        ),
        "InternVLForConditionalGeneration",
    )  # fmt: skip


def splitting(folder: Path, name: str) -> None:
    import transformers

    marks = {
        "fake_image_token": "<fake_token_around_image>", "image_token": "<image>",
        "global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>",
    }  # fmt: skip
    places = [f"<row_{r + 1}_col_{c + 1}>" for r in range(6) for c in range(6)]
    tokenizer = train_tokenizer([*marks.values(), *places], **marks)
    size = {"size": {"longest_edge": 192}, "max_image_size": {"longest_edge": 64}}
    more = [transformers.SmolVLMVideoProcessor(**size)] if name == "SmolVLM" else []
    template = TEMPLATE.format(image="<image>", video="<video>")
    save(
        folder,
        getattr(transformers, f"{name}Processor")(
            getattr(transformers, f"{name}ImageProcessor")(**size), tokenizer, *more, image_seq_len=4,
            chat_template=template,
        ),
        getattr(transformers, f"{name}Config")(
            vision_config={"image_size": 64, "patch_size": 16, **VISION}, scale_factor=2,
            text_config={"model_type": "llama", "vocab_size": len(tokenizer) + 3, **TEXT},
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        ),
        f"{name}ForConditionalGeneration",
    )  # fmt: skip


def idefics3(folder: Path) -> None:
    splitting(folder, "Idefics3")


def smolvlm(folder: Path) -> None:
    splitting(folder, "SmolVLM")


def save(folder: Path, processor: Any, config: Any, architecture: str) -> None:
    config.architectures = [architecture]
    processor.save_pretrained(folder)
    config.save_pretrained(folder)


FAMILIES: dict[str, Callable[[Path], None]] = {
    maker.__name__: maker
    for maker in (llava, llava_next, qwen2_5_vl, qwen3_vl, gemma3, internvl, idefics3, smolvlm)
}
