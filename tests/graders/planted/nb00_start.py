"""Planted answers to the exercises of 00_start_here."""

from . import wrong


@wrong("tokens_of_any_picture")
def rounds_down(height, width):
    return (height // 28) * (width // 28)


@wrong("tokens_of_any_picture")
def rounds_the_product(height, width):
    return max(1, round(height * width / 784))


@wrong("tokens_of_any_picture")
def rounds_half_up(height, width):
    return max(1, int(height / 28 + 0.5)) * max(1, int(width / 28 + 0.5))


@wrong("chat_prompt")
def forgets_the_assistant(question, pictures):
    marks = "<|vision_start|><|image_pad|><|vision_end|>" * pictures
    return f"<|im_start|>user\n{marks}{question}<|im_end|>\n"


@wrong("chat_prompt")
def always_one_picture(question, pictures):
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    return f"<|im_start|>user\n{mark}{question}<|im_end|>\n<|im_start|>assistant\n"


@wrong("fits")
def only_too_few(prompt, pictures):
    return prompt.count("<|image_pad|>") >= pictures


@wrong("fits")
def counts_any_pad(prompt, pictures):
    return prompt.count("_pad|>") == pictures
