"""Code for `mmkit compat`: OLD, where each line that ends in `#!` holds an old use, and MODERN, where none does.

Written as people write it: whole scripts, aliases, decorators, classes, servers, command lines. In strings, so that
this repository itself stays clean of old APIs.
"""

OLD = {
    "llava of the guide": """
from vllm.inputs import INPUT_REGISTRY  #!
from vllm.model_executor.models.interfaces import SupportsMultiModal
from vllm.multimodal import MULTIMODAL_REGISTRY

@MULTIMODAL_REGISTRY.register_image_input_mapper()  #!
@MULTIMODAL_REGISTRY.register_max_image_tokens(get_max_tokens)  #!
@INPUT_REGISTRY.register_dummy_data(dummy_data)  #!
@INPUT_REGISTRY.register_input_processor(input_processor)  #!
class MyLlava(nn.Module, SupportsMultiModal):
    def forward(self, input_ids, positions, kv_caches, attn_metadata, pixel_values=None):  #! #! #!
        return self.language_model(input_ids, positions)
""",
    "mapper of a modality": """
from vllm.multimodal import MULTIMODAL_REGISTRY as REGISTRY

@REGISTRY.register_input_mapper("audio", my_mapper)  #!
@REGISTRY.register_max_multimodal_tokens("audio", 750)  #!
class Ear:
    pass
""",
    "registry by its module": """
import vllm.multimodal

vllm.multimodal.MULTIMODAL_REGISTRY.register_image_input_mapper(f)  #!
""",
    "registry by an alias of the module": """
import vllm.multimodal as mm

registry = mm.MULTIMODAL_REGISTRY
registry.register_max_image_tokens(576)  #!
""",
    "inputs by an alias": """
from vllm import inputs

@inputs.INPUT_REGISTRY.register_dummy_data(dummy)  #!
class Model:
    pass
""",
    "runner of a fork": """
from vllm.multimodal import MULTIMODAL_REGISTRY

class Runner:
    def __init__(self, config):
        self.mm_registry = MULTIMODAL_REGISTRY
        self.mapper = self.mm_registry.create_input_mapper(config)  #!
        self.mm_registry.init_mm_limits_per_prompt(config)  #!

    def check(self, config):
        return self.mm_registry.has_processor(config)  #!
""",
    "plugin": """
from vllm.multimodal.base import MultiModalPlugin  #!

class ThermalPlugin(MultiModalPlugin):
    def get_data_key(self):
        return "thermal"
""",
    "plugin of the package": """
from vllm.multimodal import MULTIMODAL_REGISTRY, MultiModalPlugin  #!

class DepthPlugin(MultiModalPlugin):
    pass

MULTIMODAL_REGISTRY.register_plugin(DepthPlugin())  #!
""",
    "plugins of the modalities": """
from vllm.multimodal.audio import AudioPlugin  #!
from vllm.multimodal.image import ImagePlugin  #!
from vllm.multimodal.video import VideoPlugin  #!
""",
    "clip helpers": """
from vllm.model_executor.models.clip import (
    dummy_image_for_clip,  #!
    dummy_seq_data_for_clip,  #!
    get_max_clip_image_tokens,  #!
)
""",
    "context of the old inputs": """
from vllm.inputs import DummyData, InputContext  #! #!

def dummy_data(ctx: InputContext, seq_len, mm_counts):
    return DummyData(None, None)
""",
    "inputs.registry": """
from vllm.inputs.registry import InputProcessingContext  #!
""",
    "profiling": """
from vllm.multimodal.profiling import BaseDummyInputsBuilder  #!

class Dummies(BaseDummyInputsBuilder):
    pass
""",
    "embedding methods": """
import torch
from vllm.model_executor.models.interfaces import SupportsMultiModal, SupportsPP
from vllm.model_executor.models.utils import merge_multimodal_embeddings  #!

class Model(torch.nn.Module, SupportsMultiModal, SupportsPP):
    def get_multimodal_embeddings(self, **kwargs):  #!
        return self.tower(kwargs["pixel_values"])

    def get_input_embeddings(self, input_ids, multimodal_embeddings=None):  #!
        embeds = self.lm.get_input_embeddings(input_ids)
        return merge_multimodal_embeddings(input_ids, embeds, multimodal_embeddings, 7)
""",
    "a model over a model of vLLM's": """
from vllm.model_executor.models.llava import LlavaForConditionalGeneration

class Mine(LlavaForConditionalGeneration):
    def get_multimodal_embeddings(self, **kwargs):  #!
        return super().get_multimodal_embeddings(**kwargs)  # not found: what super() is, only running tells
""",
    "a model over one's own": """
from vllm.model_executor.models.interfaces import SupportsMultiModal

class Base(SupportsMultiModal):
    pass

class Mine(Base):
    async def get_input_embeddings(self, input_ids):  #!
        ...
""",
    "processor of 0.8": """
from vllm.multimodal.parse import MultiModalDataParser
from vllm.multimodal.processing import BaseMultiModalProcessor, BaseProcessingInfo

class Info(BaseProcessingInfo):
    def get_allowed_mm_limits(self):  #!
        return {"image": 1}

class Processor(BaseMultiModalProcessor):
    def _get_data_parser(self):  #!
        return MultiModalDataParser(target_sr=16000)

    def _call_hf_processor(self, prompt, mm_data, mm_kwargs, tok_kwargs):  #!
        return {}

    def _hf_processor_applies_updates(self, prompt_text, mm_items, mm_kwargs, tok_kwargs):  #!
        return False
""",
    "processor of 0.7": """
from vllm.multimodal.processing import BaseMultiModalProcessor as Base

class Processor(Base):
    def _get_prompt_replacements(self, mm_items, hf_mm_kwargs, out_mm_kwargs):  #!
        return []

    def _get_dummy_mm_inputs(self, mm_counts):  #!
        return None

    def _get_dummy_processor_inputs(self, seq_len, mm_counts):  #!
        return None
""",
    "processor over one of vLLM's": """
import vllm.model_executor.models.llava as llava

class Processor(llava.BaseLlavaMultiModalProcessor):
    def _apply_hf_processor_mm_only(self, mm_items, kwargs):  #!
        ...
""",
    "dummies without options": """
from vllm.multimodal.processing import BaseDummyInputsBuilder

class Dummies(BaseDummyInputsBuilder):
    def get_dummy_text(self, mm_counts):
        return "<image>" * mm_counts["image"]

    def get_dummy_mm_data(self, seq_len, mm_counts):  #!
        return {"image": self._get_dummy_images(width=8, height=8, num_images=1)}
""",
    "dummies of 0.7": """
from vllm.multimodal.processing import BaseDummyInputsBuilder

class Dummies(BaseDummyInputsBuilder):
    def get_dummy_processor_inputs(self, seq_len, mm_counts):  #!
        ...
""",
    "replacement by text": """
from vllm.multimodal.processing import PromptReplacement

update = PromptReplacement(
    modality="image",
    target="<image>",  #!
    replacement="<image>" * 576,
)
""",
    "replacement by text, by place": """
from vllm.multimodal.processing import PromptReplacement

updates = [PromptReplacement("image", "<image>", [7] * 576)]  #!
""",
    "insertion by text": """
import vllm.multimodal.processing as p

p.PromptInsertion(modality="image", target="Images:", insertion=[7])  #!
""",
    "bind": """
from vllm.multimodal.processing import PromptInsertion, PromptReplacement

update = PromptReplacement("image", [7], [7, 7])
bound = update.bind(tokenizer)  #!
other = PromptInsertion("image", [1], [7]).bind(tokenizer)  #!
""",
    "select_text": """
from vllm.multimodal.processing import PromptUpdateDetails

details = PromptUpdateDetails.select_text(full, "<image>")  #!
""",
    "names of the processing module": """
from vllm.multimodal.processing import (
    BoundPromptUpdate,  #!
    PlaceholderFeaturesInfo,  #!
    PromptIndex,  #!
    PromptIndexTargets,
    PromptSeq,  #!
    PromptTarget,  #!
    PromptTargetMatch,  #!
    PromptUpdate,
    PromptUpdateContent,  #!
    PromptUpdateInfo,  #!
    UpdateMode,  #!
)
""",
    "matches": """
from vllm.multimodal import processing

found = processing.find_token_matches(prompt, updates)  #!
texts = processing.find_text_matches(text, updates)  #!
new = processing.apply_text_matches(text, found, {"image": 1})  #!
ids, _ = processing.apply_token_matches(prompt, found)  #!
places = processing.find_mm_placeholders(updates, ids, {"image": 1})  #!
""",
    "tokens replaced": """
from vllm.multimodal.processing import full_groupby_modality, iter_token_matches, replace_token_matches  #! #! #!
""",
    "cache of the processor": """
from vllm.multimodal.processing import ProcessingCache, encode_tokens  #! #!

cache = ProcessingCache(1024)
""",
    "types of 0.8": """
from vllm.multimodal.inputs import MultiModalDataDict, MultiModalInputs, MultiModalKwargs  #! #! #!

def apply(data: MultiModalDataDict) -> MultiModalInputs:
    return MultiModalKwargs({})
""",
    "types of the package": """
from vllm.multimodal import MultiModalDataDict, MultiModalKwargs, MultiModalPlaceholderDict  #! #! #!
""",
    "types by attribute": """
import vllm.multimodal.inputs as i

EMPTY = i.MultiModalKwargs({})  #!
inputs: i.MultiModalEncDecInputs = None  #!
""",
    "prompts of 0.6": """
from vllm.inputs import PromptInputs, TokenInputs, token_inputs  #! #! #!
""",
    "prompts of 0.8": """
from vllm.inputs.data import ProcessorInputs, SingletonInputs  #!
""",
    "the first way to ask": """
from vllm import LLM
from vllm.sequence import MultiModalData  #!

llm = LLM(
    model="llava-hf/llava-1.5-7b-hf",
    image_input_type="pixel_values",  #!
    image_token_id=32000,  #!
    image_input_shape="1,3,336,336",  #!
    image_feature_size=576,  #!
)
prompt = "<image>" * 576 + "What is this?"
out = llm.generate(prompt, multi_modal_data=MultiModalData(type="image", data=pixels))  #!
""",
    "the second way to ask": """
from vllm.multimodal.image import ImageFeatureData, ImagePixelData  #! #!

inputs = {"prompt": prompt, "multi_modal_data": ImagePixelData(image)}
""",
    "repeated by hand": """
from vllm import LLM

llm = LLM(model="m")
llm.generate({
    "prompt": "USER: " + "<image>" * 576 + "What is this? ASSISTANT:",  #!
    "multi_modal_data": {"image": image},
})
""",
    "token ids beside": """
from vllm import LLM, SamplingParams

def answer(ids):
    llm = LLM("m")
    return llm.generate(prompt_token_ids=ids, sampling_params=SamplingParams())  #!
""",
    "an engine that is handed in": """
import vllm

def answer(llm: vllm.LLM, ids):
    return llm.generate(None, prompt_token_ids=ids)  #!
""",
    "an engine that is kept": """
from vllm import LLM

class Service:
    def __init__(self):
        self.llm = LLM(model="m", disable_mm_preprocessor_cache=True)  #!

    def ask(self, prompt, options):
        return self.llm.generate(prompt, guided_options_request=options)  #!
""",
    "engine arguments": """
from vllm.engine.arg_utils import AsyncEngineArgs, EngineArgs

a = EngineArgs(model="m", disable_mm_preprocessor_cache=True)  #!
b = AsyncEngineArgs("m", guided_decoding_backend="outlines")  #!
""",
    "an embedder": """
from vllm import LLM

embedder = LLM(model="openai/clip-vit-base-patch32", task="embed")  #!
""",
    "guided decoding": """
from vllm import SamplingParams
from vllm.sampling_params import GuidedDecodingParams  #!

params = SamplingParams(
    temperature=0,
    guided_decoding=GuidedDecodingParams(choice=["yes", "no"]),  #!
)
""",
    "guided choice by the client": """
from openai import OpenAI

client = OpenAI(base_url="http://localhost:8000/v1", api_key="-")
completion = client.chat.completions.create(
    model="m",
    messages=messages,
    extra_body={"guided_choice": ["positive", "negative"]},  #!
)
""",
    "guided JSON in a variable": """
extra = {
    "guided_json": schema,  #!
    "guided_decoding_backend": "outlines",  #!
}
client.chat.completions.create(model="m", messages=messages, extra_body=extra)
""",
    "guided regex by requests": """
import requests

requests.post(url, json={"model": "m", "prompt": "Hello", "guided_regex": r"[0-9]+"})  #!
""",
    "guided grammar, awaited": """
async def ask(client):
    return await client.completions.create(model="m", prompt="x", extra_body=dict(a=1) | {"guided_grammar": g})  #!
""",
    "arguments of the processor in a request": """
client.chat.completions.create(
    model="Qwen/Qwen2-VL-2B-Instruct",
    messages=messages,
    extra_body={
        "mm_processor_kwargs": {"max_pixels": 1003520},  #!
        "media_io_kwargs": {"video": {"num_frames": 8}},  #!
    },
)
""",
    "serve by subprocess": """
import subprocess

subprocess.Popen(["vllm", "serve", MODEL, "--limit-mm-per-prompt", "image=4", "--port", "8000"])  #!
""",
    "serve by the module": """
command = [
    "python", "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL,
    "--disable-mm-preprocessor-cache",
    "--guided-decoding-backend=outlines",
]
""".replace("command = [", "command = [  #! #!"),
    "serve with one word": """
args = ("vllm", "serve", "m", "--limit-mm-per-prompt=image=2,video=1", "--task=embed")  #! #!
""",
    "environment": """
import os

os.environ["VLLM_USE_V1"] = "0"  #!
os.environ.setdefault("VLLM_MM_INPUT_CACHE_GIB", "8")  #!
gib = os.getenv("VLLM_MM_INPUT_CACHE_GIB", "4")  #!
""",
    "environment, other ways": """
import subprocess
from os import environ

environ.update(VLLM_USE_V1="1")  #!
subprocess.run(command, env={**environ, "VLLM_MM_INPUT_CACHE_GIB": "2"})  #!
""",
    "media": """
from vllm.multimodal.audio import AudioMediaIO, resample_audio_librosa  #! #!
from vllm.multimodal.image import ImageMediaIO  #!
from vllm.multimodal.video import VideoMediaIO  #!
""",
    "helpers": """
from vllm.multimodal.utils import (
    async_fetch_image,  #!
    cached_get_tokenizer,  #!
    encode_image_base64,
    group_mm_kwargs_by_modality,  #!
    repeat_and_pad_placeholder_tokens,  #!
)
from vllm.transformers_utils.tokenizer import AnyTokenizer, get_tokenizer  #! #!
from vllm.entrypoints.chat_utils import load_chat_template  #!
from vllm.utils import FlexibleArgumentParser, is_list_of  #! #!
""",
    "by importlib": """
import importlib
from importlib import import_module

base = import_module("vllm.multimodal.base")  #!
profiling = importlib.import_module("vllm.multimodal.profiling")  #!
""",
    "inside a function": """
def lazy():
    from vllm.attention import AttentionMetadata  #!
    from vllm.model_executor import SamplingMetadata  #!
    from vllm.model_executor.sampling_metadata import SamplingMetadata as S  #!
    return AttentionMetadata, S
""",
    "optional": """
try:
    import decord  #!
except ImportError:
    decord = None
""",
    "decord": """
from decord import VideoReader, cpu  #!

frames = VideoReader("a.mp4", ctx=cpu(0)).get_batch([0, 8, 16]).asnumpy()
""",
    "torchvision's video": """
import torchvision
from torchvision.io import VideoReader, read_video  #! #!

frames, sound, info = torchvision.io.read_video("a.mp4")  #!
torchvision.io.write_video("b.mp4", frames, 8)  #!
""",
    "torchvision's video, by alias": """
import torchvision.io as tio

reader = tio.VideoReader("a.mp4", "video")  #!
""",
    "torchvision's private tensors": """
import torchvision.transforms.functional_tensor as F  #!
""",
    "torchaudio": """
import torchaudio

torchaudio.set_audio_backend("sox_io")  #!
info = torchaudio.info("a.wav")  #!
if "ffmpeg" in torchaudio.list_audio_backends():  #!
    wave, rate = torchaudio.load("a.wav")
""",
    "torchaudio's streams": """
from torchaudio.io import StreamReader  #!
from torchaudio import sox_effects  #!
""",
    "transformers 4": """
from transformers import AutoModelForVision2Seq, AutoProcessor  #!

processor = AutoProcessor.from_pretrained("m", use_fast=True)  #!
model = AutoModelForVision2Seq.from_pretrained("m")
inputs = processor(text=text, images=images, min_pixels=3136, max_pixels=200704)  #! #!
""",
    "feature extractors of pictures": """
from transformers import CLIPFeatureExtractor, ViTFeatureExtractor  #! #!

extractor = CLIPFeatureExtractor.from_pretrained("m")
""",
    "sounds in the plural": """
import transformers

processor = transformers.AutoProcessor.from_pretrained("Qwen/Qwen2-Audio-7B-Instruct")
inputs = processor(text=text, audios=audios, return_tensors="pt", padding=True)  #!
""",
    "a processor of one's own": """
from transformers import AutoProcessor

class Prepare:
    def __init__(self, name):
        self.processor: AutoProcessor = AutoProcessor.from_pretrained(name)

    def __call__(self, text, audio):
        return self.processor(text=text, audios=[audio])  #!
""",
    "videos of transformers": """
from transformers.image_utils import VideoInput, load_video  #! #!
""",
    "Pillow 9": """
from PIL import Image, ImageDraw, ImageFont

small = Image.open("a.png").resize((224, 224), Image.ANTIALIAS)  #!
draw = ImageDraw.Draw(small)
width, height = draw.textsize("hello")  #!
font = ImageFont.truetype("a.ttf", 12)
font.getsize("hello")  #!
""",
    "Ray": """
from ray.data.llm import build_llm_processor, vLLMEngineProcessorConfig  #!

process = build_llm_processor(vLLMEngineProcessorConfig(model_source="m"))
""",
    "the rest of the friends": """
from transformers import AutoImageProcessor, Qwen2AudioProcessor, Qwen2VLImageProcessor, Qwen2VLProcessor

one = AutoImageProcessor.from_pretrained("m", use_fast=False)  #!
one(images, min_pixels=1, max_pixels=2)  #! #!
Qwen2VLProcessor.from_pretrained("m")(text=t, images=i, min_pixels=1, max_pixels=2)  #! #!
Qwen2VLImageProcessor()(i, min_pixels=1, max_pixels=2)  #! #!
Qwen2AudioProcessor.from_pretrained("m")(text=t, audios=a)  #!
ask(extra_body={"guided_whitespace_pattern": " "})  #!
""",
    "all the old flags": """
old = ["vllm", "serve", "m", "--image-input-type", "a", "--image-token-id", "7"]  #! #!
more = ["vllm", "serve", "m", "--image-feature-size=576", "--image-input-shape=b"]  #! #!
""",
    "in one line": """
import vllm.sampling_params as s; p = s.GuidedDecodingParams(json={}); x = [p for _ in range(3)]  #!
""",
    "in a conditional, a lambda, a default": """
import vllm.inputs

registry = vllm.inputs.INPUT_REGISTRY if True else None  #!
late = lambda: vllm.inputs.DummyData()  #!
def f(context=vllm.inputs.InputContext):  #!
    ...
""",
    "in a with": """
from vllm import LLM

with LLM(model="m") as llm, open("a") as file:
    llm.generate(prompt_token_ids=[1, 2])  #!
""",
}

MODERN = {
    "llava of today": """
from vllm.model_executor.models.interfaces import SupportsMultiModal
from vllm.multimodal import MULTIMODAL_REGISTRY

@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=Dummies)
class MyLlava(nn.Module, SupportsMultiModal):
    def embed_multimodal(self, **kwargs):
        return self.tower(kwargs.pop("pixel_values"))

    def forward(self, input_ids, positions, intermediate_tensors=None, inputs_embeds=None, **kwargs):
        return self.language_model(input_ids, positions, intermediate_tensors, inputs_embeds)

    def compute_logits(self, hidden_states):
        return self.language_model.compute_logits(hidden_states)
""",
    "a tower takes pixels": """
from torch import nn
from vllm.model_executor.models.clip import CLIPVisionModel

class Tower(nn.Module):
    def forward(self, pixel_values):
        return self.layers(pixel_values)

class Other(CLIPVisionModel):
    def forward(self, pixel_values):
        return super().forward(pixel_values)
""",
    "a model of transformers": """
from transformers import PreTrainedModel

class Model(PreTrainedModel):
    def get_input_embeddings(self):
        return self.embeddings

    def forward(self, input_ids, pixel_values, attn_metadata=None):
        return self.get_input_embeddings()(input_ids)
""",
    "embeddings of a model": """
table = model.get_input_embeddings().weight
rows = client.get_multimodal_embeddings(image=image)
""",
    "info, dummies, processor": """
from vllm.inputs import MultiModalDataDict
from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems
from vllm.multimodal.parse import MultiModalDataItems, MultiModalDataParser
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder, BaseMultiModalProcessor, BaseProcessingInfo, PromptReplacement, PromptUpdateDetails)

class Info(BaseProcessingInfo):
    def get_data_parser(self):
        return MultiModalDataParser(target_sr=16000)

    def get_supported_mm_limits(self):
        return {"image": None}

class Dummies(BaseDummyInputsBuilder):
    def get_dummy_text(self, mm_counts):
        return "<image>" * mm_counts.get("image", 0)

    def get_dummy_mm_data(self, seq_len, mm_counts, mm_options) -> MultiModalDataDict:
        return {"image": self._get_dummy_images(width=8, height=8, num_images=mm_counts.get("image", 0))}

class Processor(BaseMultiModalProcessor):
    def _call_hf_processor(self, hf_data, hf_kwargs):
        return super()._call_hf_processor(hf_data, hf_kwargs)

    def _get_prompt_updates(self, mm_items, hf_processor_mm_kwargs, out_mm_kwargs):
        return [PromptReplacement("image", [7], PromptUpdateDetails.select_token_id([1, 7, 7, 2], 7))]
""",
    "dummies of other arguments": """
from vllm.multimodal.processing import BaseDummyInputsBuilder

class Dummies(BaseDummyInputsBuilder):
    def get_dummy_mm_data(self, seq_len, mm_counts, mm_options=None):
        return {}

class More(Dummies):
    def get_dummy_mm_data(self, *args, **kwargs):
        return super().get_dummy_mm_data(*args, **kwargs)
""",
    "one's own class of such names": """
class Processor:
    def _get_data_parser(self):
        return None

    def _call_hf_processor(self, prompt, mm_data, mm_kwargs, tok_kwargs):
        return {}

class BaseMultiModalProcessor:
    def get_dummy_mm_data(self, seq_len, mm_counts):
        return {}
""",
    "processing of today": """
from vllm.multimodal.processing import PromptIndexTargets, PromptInsertion, PromptReplacement
from vllm.multimodal.processing.processor import (
    PromptIndex, apply_token_matches, find_mm_placeholders, full_groupby_modality, iter_token_matches)

bound = {"image": [[PromptReplacement("image", [7], [7, 7]).resolve(0)]]}
ids, _ = apply_token_matches([1, 7, 2], bound)
""",
    "targets of token ids": """
from vllm.multimodal.processing import PromptInsertion, PromptReplacement

PromptReplacement(modality="image", target=[7], replacement=[7] * 576)
PromptInsertion("image", tokenizer.encode("Images:"), [7])
""",
    "somebody else's PromptReplacement": """
from my_project import PromptReplacement

PromptReplacement("image", "<image>", "")
""",
    "types of today": """
from vllm.inputs import MultiModalDataDict, MultiModalInput, PromptType, TextPrompt, TokensPrompt, tokens_input
from vllm.multimodal import MULTIMODAL_REGISTRY, MultiModalKwargsItems, NestedTensors
from vllm.multimodal.inputs import MultiModalFeatureSpec, MultiModalKwargsItem, PlaceholderRange
""",
    "media of today": """
from vllm.multimodal.media import AudioMediaIO, ImageMediaIO, MediaConnector, VideoMediaIO
from vllm.multimodal.utils import encode_image_base64, fetch_image, group_and_batch_mm_kwargs
from vllm.multimodal.audio import AudioResampler
""",
    "tokenizers of today": """
from vllm.tokenizers import TokenizerLike, get_tokenizer
from vllm.renderers.chat_utils import load_chat_template
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.utils.collection_utils import full_groupby, is_list_of
""",
    "one picture": """
from vllm import LLM, SamplingParams

llm = LLM(model="Qwen/Qwen2-VL-2B-Instruct", limit_mm_per_prompt={"image": 2}, mm_processor_cache_gb=0)
out = llm.generate(
    {"prompt": "<|vision_start|><|image_pad|><|vision_end|>What?", "multi_modal_data": {"image": image}},
    SamplingParams(temperature=0, max_tokens=16),
)
""",
    "token ids as the prompt": """
from vllm import LLM

llm = LLM(model="m")
llm.generate({"prompt_token_ids": [1, 2, 3], "multi_modal_data": {"image": image}})
llm.generate([1, 2, 3])
""",
    "two pictures": """
prompt = "".join("<image>\\n" for _ in images) + question
inputs = {"prompt": prompt, "multi_modal_data": {"image": images}}
""",
    "a name times a number is not a placeholder": """
inputs = {"prompt": "a" * 3, "multi_modal_data": {"image": image}}
separator = "<hr>" * 3
text = {"prompt": "<image>" * 3}
""",
    "arguments of the processor offline": """
from vllm import LLM

llm = LLM(model="m", mm_processor_kwargs={"size": {"shortest_edge": 3136, "longest_edge": 200704}})
llm.generate({"prompt": p, "multi_modal_data": d, "mm_processor_kwargs": {"size": size}})
llm.chat(messages, mm_processor_kwargs={"size": size})
""",
    "an embedder of today": """
from vllm import LLM
from vllm.config import PoolerConfig

embedder = LLM(model="openai/clip-vit-base-patch32", runner="pooling", convert="embed")
""",
    "embeddings": """
from vllm import LLM

llm = LLM(model="m", enable_mm_embeds=True)
llm.generate({"prompt": p, "multi_modal_data": {"image": {"image_embeds": e, "image_grid_thw": g}}})
""",
    "structured outputs": """
from vllm import SamplingParams
from vllm.sampling_params import StructuredOutputsParams

SamplingParams(structured_outputs=StructuredOutputsParams(choice=["yes", "no"]))
""",
    "structured outputs by the client": """
client.chat.completions.create(
    model="m", messages=messages, extra_body={"structured_outputs": {"choice": ["yes", "no"]}})
client.chat.completions.create(
    model="m", messages=messages, response_format={"type": "json_schema", "json_schema": schema})
""",
    "a variable of such a name": """
guided_choice = ["red", "blue"]
answer = pick(guided_choice=guided_choice)
print("guided_choice is gone since 0.12")
""",
    "prose about the old": '''
"""Replaces INPUT_REGISTRY.register_dummy_data and register_image_input_mapper of vLLM 0.8."""
# from vllm.inputs import INPUT_REGISTRY
GONE = "from vllm.multimodal.base import MultiModalPlugin"
''',
    "names of one's own": """
def register_image_input_mapper():
    ...

class INPUT_REGISTRY:
    register_dummy_data = staticmethod(lambda f: f)

@INPUT_REGISTRY.register_dummy_data
def dummy():
    register_image_input_mapper()
""",
    "a name that is taken over": """
from vllm import LLM

LLM = FakeEngine
LLM(image_input_type="pixel_values", task="embed")
""",
    "a parameter hides the name": """
from vllm import LLM, inputs

def start(LLM, inputs):
    return LLM(task="embed"), inputs.INPUT_REGISTRY

for LLM in engines:
    LLM(disable_mm_preprocessor_cache=True)
""",
    "another library's task": """
from transformers import pipeline
from sentence_transformers import LLM

pipeline(task="image-to-text")
LLM(task="embed")
""",
    "a relative import": """
from .inputs import INPUT_REGISTRY
from ..multimodal.base import MultiModalPlugin
from . import decord
""",
    "another package of that name": """
import myvllm.inputs
from vllm_plugin.multimodal.base import MultiModalPlugin

myvllm.inputs.INPUT_REGISTRY.register_dummy_data(f)
""",
    "a bridge between two releases": """
try:
    from vllm.multimodal.processing import BaseDummyInputsBuilder
except ImportError:
    from vllm.multimodal.profiling import BaseDummyInputsBuilder
""",
    "a bridge, old first": """
try:
    from vllm.sampling_params import GuidedDecodingParams as Structured
except ImportError:
    from vllm.sampling_params import StructuredOutputsParams as Structured
""",
    "meant": """
from vllm.inputs import INPUT_REGISTRY  # compat: ignore
""",
    "serve": """
import subprocess

subprocess.Popen(["vllm", "serve", "m", "--limit-mm-per-prompt", '{"image": 4}', "--mm-processor-cache-gb", "0"])
""",
    "serve, dotted": """
args = ["vllm", "serve", "m", "--limit-mm-per-prompt.image", "4", "--structured-outputs-config.backend", "xgrammar"]
""",
    "another tool's flags": """
args = ["train.py", "--task", "embed", "--image-token-id", "7"]
words = ("--task", "--guided-decoding-backend")
""",
    "environment of today": """
import os

os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.update(HF_HUB_OFFLINE="1", VLLM_VIDEO_LOADER_BACKEND="opencv")
""",
    "a dictionary of names": """
settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "task": "embed", "audios": [], "images": []}
row = {"id": 1, "text": "?", "audios": ["a.wav"]}
""",
    "transformers 5": """
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

processor = AutoProcessor.from_pretrained("m", backend="torchvision")
inputs = processor(text=text, images=images, size={"shortest_edge": 3136, "longest_edge": 200704})
inputs = processor(text=text, audio=audio, sampling_rate=16000)
""",
    "pixels when it is loaded": """
from transformers import AutoProcessor

processor = AutoProcessor.from_pretrained("m", min_pixels=3136, max_pixels=200704)
""",
    "extractors of sound": """
from transformers import AutoFeatureExtractor, WhisperFeatureExtractor
""",
    "videos of transformers 5": """
from transformers.video_utils import VideoInput, VideoMetadata, load_video
from transformers.image_utils import load_image
""",
    "somebody's audios": """
sample = MultiModalSample("Which?", audios=["a.wav"])
processor = MyProcessor()
processor(audios=[wave])
""",
    "torchvision": """
import torchvision
from torchvision.io import decode_image, read_image
from torchvision.transforms import v2

picture = v2.functional.resize(read_image("a.png"), [224, 224], antialias=True)
""",
    "torchaudio": """
import torchaudio

wave, rate = torchaudio.load("a.wav")
mel = torchaudio.transforms.MelSpectrogram(rate)(torchaudio.functional.resample(wave, rate, 16000))
""",
    "decoders of today": """
import av
import soundfile
from torchcodec.decoders import AudioDecoder, VideoDecoder

frames = VideoDecoder("a.mp4").get_frames_at([0, 8])
""",
    "one's own video module": """
from mypackage.io import VideoReader, read_video

read_video("a.mp4")
info("a.wav")
""",
    "Pillow": """
from PIL import Image, ImageDraw, ImageFont

small = Image.open("a.png").resize((224, 224), Image.Resampling.LANCZOS)
draw = ImageDraw.Draw(small)
draw.textbbox((0, 0), "hello")
ImageFont.truetype("a.ttf", 12).getbbox("hello")
""",
    "another font": """
font.getsize("hello")
canvas.textsize("hello")
""",
    "Ray": """
from ray.data.llm import build_processor, vLLMEngineProcessorConfig
""",
    "mmkit": """
from mmkit import Engine, MultiModalSample, load_image

with Engine("tiny-qwen2-vl") as engine:
    engine.ask("What?", images=["a.png"], choice=["red", "blue"])
""",
    "asynchronous": """
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.v1.engine.async_llm import AsyncLLM

async def main():
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(model="m", limit_mm_per_prompt={"image": 1}))
    async for out in engine.generate({"prompt": p, "multi_modal_data": d}, params, "0"):
        print(out)
""",
    "adapters": """
from vllm.lora.request import LoRARequest

llm.generate(prompt, lora_request=LoRARequest("a", 1, "path"))
""",
    "uuids": """
prompt = {"prompt": p, "multi_modal_data": {"image": [None]}, "multi_modal_uuids": {"image": ["u1"]}}
""",
    "encoder and decoder": """
llm.generate({
    "encoder_prompt": {"prompt": "", "multi_modal_data": {"audio": (wave, 16000)}},
    "decoder_prompt": {"prompt": "<|startoftranscript|>"},
})
""",
    "metrics": """
from vllm import LLM

llm = LLM(model="m", disable_log_stats=False)
names = [metric.name for metric in llm.get_metrics()]
""",
    "patterns of a match": """
match args:
    case ["serve", model]:
        run(model)
    case {"task": task}:
        run(task)
""",
    "comprehensions and walrus": """
if (n := len(items)) > 3:
    total = sum(cost(item) for item in items)
first, *rest = [f"{item!r:>8}" for item in items]
""",
    "type variables": """
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.inputs import MultiModalDataDict

def f(data: "MultiModalDataDict") -> None: ...
""",
    "star": """
from vllm import *
from os import *
""",
    "empty": "",
    "only a comment": "# INPUT_REGISTRY\n",
}
