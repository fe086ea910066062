"""What the lessons say about other libraries, as they are now: a sentence that could rot has a test here.

Oracle: the installed library. Each test quotes the sentence that it holds, by notebook; where the sentence must
change, this is the place that says so.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from mmkit import image

ROOT = Path(__file__).parents[1]


def text_of(stem: str) -> str:
    """A lesson's words, each line joined to the next."""
    cells = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells
    return " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")


# --- 02 image ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "method"),
    [
        *[("CLIP", 3), ("Siglip", 3), ("LlavaNext", 3), ("Qwen2VL", 3)],  # bicubic
        *[("Gemma3", 2), ("Llama4", 2), ("Idefics3", 1), ("SmolVLM", 1)],  # bilinear, Lanczos
    ],
)
def test_kernels_of_families(family, method):
    """02: CLIP, SigLIP, LLaVA and Qwen-VL bicubic; Gemma 3 and Llama 4 bilinear; Idefics3 and SmolVLM Lanczos."""
    import transformers

    processor = getattr(transformers, f"{family}ImageProcessor")
    assert int(processor.resample) == method  # numbers of PIL's Resampling


def test_pillow_antialiases_in_every_filter_but_nearest():
    """02: Pillow antialiases in every filter but NEAREST; torch's interpolate does not unless you say so."""
    stripes = np.zeros((1, 64), np.uint8)
    stripes[0, 1::4] = 255  # one column in four, which a narrow kernel never meets
    for method in Image.Resampling:
        shrunk = np.asarray(Image.fromarray(stripes).resize((16, 1), method))
        assert (shrunk.max() == 0 or shrunk.min() == 255) == (method is Image.Resampling.NEAREST), method
    tensor = torch.from_numpy(stripes[None, None]).float()
    plain = torch.nn.functional.interpolate(tensor, (1, 16), mode="bilinear")
    careful = torch.nn.functional.interpolate(tensor, (1, 16), mode="bilinear", antialias=True)
    assert (plain - careful).abs().max() > 50


VLLM_LOADS = {"harbour.jpg": 0.0, "lighthouse.jpg": 0.0, "badge.png": 0.0, "blink.gif": 0.0, "print_cmyk.jpg": 0.0}


@pytest.mark.vllm
def test_how_vllm_loads_the_six_files():
    """02: it agrees with mmkit on five of the six files; the 16-bit scan it clips: 192.9 levels off."""
    from vllm.multimodal.media.image import ImageMediaIO

    assert "agrees with `mmkit` on five of the six files" in text_of("02_image")
    assert "192.9 levels off" in text_of("02_image")
    for name, off in {**VLLM_LOADS, "scan16.png": 192.9}.items():
        loaded = ImageMediaIO().load_bytes((ROOT / "data" / name).read_bytes())
        theirs = np.asarray(getattr(loaded, "media", loaded)).astype(float)
        ours = image.load_image(ROOT / "data" / name).pixels
        assert theirs.shape == ours.shape, name
        assert round(float(np.abs(theirs - ours).mean()), 1) == off, name


@pytest.mark.vllm
def test_vllms_qwen2_vl_calls_smart_resize():
    """02: in vLLM 0.32 the Qwen2-VL code calls transformers' own smart_resize."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
    from vllm.model_executor.models import qwen2_vl

    assert qwen2_vl.smart_resize is smart_resize


@pytest.mark.vllm
def test_internvl_uses_imagenets_numbers():
    """02: InternVL's are ImageNet's."""
    from vllm.transformers_utils.processors import internvl

    from mmkit.recipes import IMAGENET_MEAN

    assert internvl.IMAGENET_MEAN == IMAGENET_MEAN


# --- 00 and 01: vLLM and prompts -------------------------------------------------------------------------------

FORM = "<|im_start|>user\n{}What color is the triangle?<|im_end|>\n<|im_start|>assistant\n"
ONE = FORM.format("<|vision_start|><|image_pad|><|vision_end|>")


@pytest.fixture(scope="module")
def llm():
    from mmkit.engine import Engine

    with Engine("tiny-qwen2-vl", quiet=True) as engine:
        yield engine.llm


def said(llm, prompt, picture=None, **tokenization):
    """(tokens of the prompt, answer) of vLLM itself."""
    from vllm import SamplingParams

    request = {"prompt": prompt, **({"multi_modal_data": {"image": picture}} if picture else {})}
    greedy = SamplingParams(temperature=0, max_tokens=8)
    output = llm.generate(request, greedy, use_tqdm=False, tokenization_kwargs=tokenization or None)[0]
    return output.prompt_token_ids, output.outputs[0].text


@pytest.mark.vllm
def test_a_placeholder_without_a_picture_raises_nothing(llm):
    """00, 01: no error; 17 tokens, and a color."""
    ids, answer = said(llm, ONE)
    assert len(ids) == 17
    assert answer in ("red", "orange", "yellow", "green", "blue", "purple")


@pytest.mark.vllm
def test_truncating_keeps_the_last_tokens_and_no_half_picture(llm):
    """01: the last so many tokens are kept; a cut item is an error; a question that is cut away goes in silence."""
    from vllm.exceptions import VLLMValidationError

    picture = Image.open(ROOT / "data" / "three_shapes.png")
    whole, answer = said(llm, ONE, picture)
    assert (len(whole), answer) == (40, "purple")
    text_only, _ = said(llm, FORM.format(""))
    assert said(llm, FORM.format(""), truncate_prompt_tokens=6)[0] == text_only[-6:]
    with pytest.raises(VLLMValidationError, match="would split or drop"):
        said(llm, ONE, picture, truncate_prompt_tokens=30)
    llm.reset_mm_cache()
    kept, answer = said(llm, ONE, picture, truncate_prompt_tokens=30, truncation_side="right")
    assert kept == whole[:30]
    assert answer != "purple"  # and no error: it never saw the question


@pytest.mark.vllm
def test_who_adds_special_tokens(llm):
    """01: the server's chat route encodes with add_special_tokens=False; offline, a multimodal model does not."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    assert ChatCompletionRequest.model_fields["add_special_tokens"].default is False
    assert llm.llm_engine.renderer.default_chat_tok_params.add_special_tokens is True
    assert llm.llm_engine.renderer.default_cmpl_tok_params.add_special_tokens is True


@pytest.mark.vllm
def test_vllm_pools_the_last_token_unless_told_otherwise():
    """01: Qwen3-Embedding and its kind read the last token."""
    from vllm.model_executor.models.interfaces_base import get_default_seq_pooling_type
    from vllm.model_executor.models.qwen3 import Qwen3ForCausalLM

    assert get_default_seq_pooling_type(Qwen3ForCausalLM) == "LAST"


def test_templates_of_the_two_little_qwens():
    """00, 01: tiny-qwen2-audio begins with a system turn, tiny-qwen2-vl has none."""
    from transformers import AutoTokenizer

    from mmkit import shipped

    for name, starts in {"tiny-qwen2-vl": False, "tiny-qwen2-audio": True}.items():
        tokenizer = AutoTokenizer.from_pretrained(shipped.resolve(name))
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": "?"}], tokenize=False)
        assert prompt.startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n") is starts


@pytest.mark.parametrize(
    ("family", "padding_matters"), [("GPT2", True), ("OPT", False), ("Qwen2", False), ("Llama", False)]
)
def test_whom_left_padding_moves(family, padding_matters):
    """01: with a mask alone, learned positions count the padding, rotary ones are differences.

    (OPT's own code makes its positions from the mask; GPT-2's does not.)
    """
    import transformers

    shape = {"vocab_size": 20, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    small = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**small, **shape)
    model = getattr(transformers, f"{family}{'LMHeadModel' if family == 'GPT2' else 'ForCausalLM'}")(config).eval()
    short, mask = torch.tensor([[5, 6, 7]]), torch.tensor([[0, 0, 1, 1, 1]])
    with torch.inference_mode():
        alone = model(short).logits[0]
        padded = model(torch.tensor([[0, 0, 5, 6, 7]]), attention_mask=mask).logits[0, 2:]
    assert bool((alone - padded).abs().max() > 1e-4) is padding_matters


# --- 08 register a model, 09 ask about pictures --------------------------------------------------------------


def test_how_vllm_starts_its_second_process():
    """08: by default a fork; a CPU build and the server always spawn."""
    import inspect

    from vllm import envs
    from vllm.entrypoints.serve.utils import api_utils
    from vllm.platforms import cpu
    from vllm.utils import system_utils

    source = Path(envs.__file__).read_text("utf-8")
    assert 'VLLM_WORKER_MULTIPROC_METHOD: Literal["fork", "spawn"] = "fork"' in source
    for module in (cpu, api_utils):
        assert 'os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"' in inspect.getsource(module)
    reasons = inspect.getsource(system_utils._maybe_force_spawn)
    assert all(reason in reasons for reason in ("cuda_is_initialized", "is_in_ray_actor", "in_wsl"))


def test_batch_invariance_has_its_name():
    """09: VLLM_BATCH_INVARIANT=1, an NVIDIA GPU of compute capability 9.0 or newer."""
    from vllm import envs

    assert "VLLM_BATCH_INVARIANT" in envs.environment_variables
    about = Path(envs.__file__).read_text("utf-8").split('    "VLLM_BATCH_INVARIANT": lambda')[0][-200:]
    assert "compute capability >= 9.0" in about
