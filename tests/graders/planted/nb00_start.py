"""Planted answers to the exercises of 00_start_here."""

import math

import numpy as np
import torch

from . import right, wrong

PAD = "<|image_pad|>"
MARK = f"<|vision_start|>{PAD}<|vision_end|>"


@wrong("tokens_of_any_picture")
def clamps_the_product(height, width):
    return max(1, round(height / 28) * round(width / 28))


@wrong("tokens_of_any_picture")
def rounds_up(height, width):
    return math.ceil(height / 28) * math.ceil(width / 28)


@wrong("tokens_of_any_picture")
def counts_patches(height, width):
    return max(1, round(height / 14)) * max(1, round(width / 14))


@wrong("tokens_of_any_picture")
def gives_pixels(height, width):
    return max(28, round(height / 28) * 28) * max(28, round(width / 28) * 28)


@wrong("tokens_of_any_picture")
def rounds_patches_then_halves(height, width):
    return max(1, round(height / 14) // 2) * max(1, round(width / 14) // 2)


@right("tokens_of_any_picture")
def by_pixels_first(height, width):
    sides = [max(round(side / 28) * 28, 28) for side in (height, width)]
    return sides[0] * sides[1] // 784


@right("tokens_of_any_picture")
def with_numpy(height, width):
    return np.prod(np.maximum(np.round(np.array([height, width]) / 28), 1))


@right("tokens_of_any_picture")
def with_torch(height, width):
    return (torch.tensor([height, width]) / 28).round().clamp(min=1).prod()


@right("tokens_of_any_picture")
def with_or(height, width):
    return (round(height / 28) or 1) * (round(width / 28) or 1)


@wrong("chat_prompt")
def strips_the_question(question, pictures):
    return f"<|im_start|>user\n{MARK * pictures}{question.strip()}<|im_end|>\n<|im_start|>assistant\n"


@wrong("chat_prompt")
def formats_the_question(question, pictures):
    prompt = "<|im_start|>user\n{marks}" + question + "<|im_end|>\n<|im_start|>assistant\n"
    return prompt.format(marks=MARK * pictures)


@wrong("chat_prompt")
def formats_by_percent(question, pictures):
    return ("<|im_start|>user\n%s" + question + "<|im_end|>\n<|im_start|>assistant\n") % (MARK * pictures)


@wrong("chat_prompt")
def no_break_after_the_end(question, pictures):
    return f"<|im_start|>user\n{MARK * pictures}{question}<|im_end|><|im_start|>assistant\n"


@wrong("chat_prompt")
def a_break_after_the_pictures(question, pictures):
    return f"<|im_start|>user\n{MARK * pictures}\n{question}<|im_end|>\n<|im_start|>assistant\n"


@wrong("chat_prompt")
def pads_in_one_mark(question, pictures):
    mark = f"<|vision_start|>{PAD * pictures}<|vision_end|>" if pictures else ""
    return f"<|im_start|>user\n{mark}{question}<|im_end|>\n<|im_start|>assistant\n"


@wrong("chat_prompt")
def replaces_a_word(question, pictures):
    prompt = f"<|im_start|>user\n{{marks}}{question}<|im_end|>\n<|im_start|>assistant\n"
    return prompt.replace("{question}", question).replace("{marks}", MARK * pictures)


@right("chat_prompt")
def in_a_loop(question, pictures):
    prompt = "<|im_start|>user\n"
    for _ in range(pictures):
        prompt += "<|vision_start|>" + "<|image_pad|>" + "<|vision_end|>"
    return prompt + question + "<|im_end|>\n" + "<|im_start|>assistant\n"


@right("chat_prompt")
def joined(question, pictures):
    lines = ["<|im_start|>user", "".join([MARK] * pictures) + question + "<|im_end|>", "<|im_start|>assistant", ""]
    return "\n".join(lines)


@right("chat_prompt")
def by_a_template(question, pictures):
    template = "<|im_start|>user\n{}{}<|im_end|>\n<|im_start|>assistant\n"
    return template.format(MARK * pictures, question)


@wrong("fits")
def counts_a_shorter_string(prompt, pictures):
    return prompt.count("image_pad") == pictures


@wrong("fits")
def counts_without_the_opening(prompt, pictures):
    return prompt.count("image_pad|>") == pictures


@wrong("fits")
def counts_without_the_closing(prompt, pictures):
    return prompt.count("<|image_pad") == pictures


@wrong("fits")
def counts_without_the_angles(prompt, pictures):
    return prompt.count("|image_pad|") == pictures


@wrong("fits")
def counts_any_pad(prompt, pictures):
    return prompt.count("_pad|>") == pictures


@wrong("fits")
def ignores_case(prompt, pictures):
    return prompt.lower().count(PAD) == pictures


@wrong("fits")
def returns_the_number(prompt, pictures):
    return prompt.count(PAD)


@wrong("fits")
def counts_vision_starts(prompt, pictures):
    return prompt.count("<|vision_start|>") == pictures


@right("fits")
def by_split(prompt, pictures):
    return len(prompt.split(PAD)) - 1 == pictures


@right("fits")
def by_a_pattern(prompt, pictures):
    import re

    return len(re.findall(re.escape(PAD), prompt)) == pictures


@right("fits")
def by_numpy(prompt, pictures):
    return np.equal(prompt.count(PAD), pictures)


@right("fits")
def step_by_step(prompt, pictures):
    found, at = 0, prompt.find(PAD)
    while at >= 0:
        found, at = found + 1, prompt.find(PAD, at + 1)
    if found != pictures:
        return False
    return True
