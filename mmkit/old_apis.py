"""What is gone from vLLM's multimodal API and its friends: one row each, with the release and the modern form.

    RULES -> compat.py finds them in code; notebook 14 prints them; tests look each up in what is installed

Follows vLLM's pull requests (5852 in 0.5.1; 13979, 15673, 15686 in 0.9; 27583 after 0.11; 53372 by 0.32), the
release notes of its friends, and the releases that are installed: "by N" is said where only N was looked at.
Leaves out what moved inside vLLM and is no business of those who prepare data or register a model.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One row: what old code says, when that changed, and the modern form.

    old: how it is found. `a.b.C` is a name and all below it; `C(x=)` an argument, `C(x=str)` one that is a string;
    `Base.f()` a method that a subclass defines, `Base.f(x)` its parameter; `{"x"}` a field of a request;
    `--x` a flag of `vllm serve`; `$X` an environment variable.
    release: the first without it, or "by N" where only N was looked at.  now: what to write.
    fate: what happens with the old form today.
    """

    old: str
    release: str
    now: str
    fate: str = "gone"


def _rows(release: str, rows: dict[str, str], fate: str = "gone") -> tuple[Rule, ...]:
    return tuple(Rule(old, release, now, fate) for old, now in rows.items())


def _moved(old: str, new: str, *names: str) -> dict[str, str]:
    return {f"{old}.{name}": f"{new}.{name}" for name in names}


_SINCE_32 = "by vLLM 0.32"
_REGISTRY = "vllm.multimodal.MULTIMODAL_REGISTRY"
_REGISTER = "@MULTIMODAL_REGISTRY.register_processor(Processor, info=..., dummy_inputs=...)"
_PLUGIN = "MultiModalDataParser._get_subparsers"
_MODELS = "vllm.model_executor.models"
_UPDATES, _PROCESSOR = "vllm.multimodal.processing", "vllm.multimodal.processing.processor"
_NOT_NEEDED = "nothing: the model's processor knows"
_AS_DICT = '{"prompt": ..., "multi_modal_data": {"image": ...}}'
_VIDEO, _SOUND = "torchcodec, PyAV, or mmkit.load_video", "soundfile, torchcodec, or mmkit.load_audio"

RULES: tuple[Rule, ...] = (
    # registering a model: the input mappers and registries of the engine V0
    *_rows(
        "vLLM 0.9",
        {
            f"{_REGISTRY}.register_image_input_mapper": _REGISTER,
            f"{_REGISTRY}.register_input_mapper": _REGISTER,
            f"{_REGISTRY}.register_max_image_tokens": "BaseProcessingInfo.get_supported_mm_limits",
            f"{_REGISTRY}.register_max_multimodal_tokens": "BaseProcessingInfo.get_supported_mm_limits",
            f"{_REGISTRY}.register_plugin": _PLUGIN,
            f"{_REGISTRY}.map_input": "MULTIMODAL_REGISTRY.create_processor",
            "vllm.inputs.INPUT_REGISTRY": _REGISTER,
            "vllm.inputs.INPUT_REGISTRY.register_dummy_data": "BaseDummyInputsBuilder.get_dummy_mm_data",
            "vllm.inputs.INPUT_REGISTRY.register_dummy_encoder_data": "BaseDummyInputsBuilder.get_dummy_mm_data",
            "vllm.inputs.INPUT_REGISTRY.register_input_processor": "BaseMultiModalProcessor._get_prompt_updates",
            "vllm.multimodal.MultiModalPlugin": _PLUGIN,
            "vllm.multimodal.base.MultiModalPlugin": _PLUGIN,
            "vllm.multimodal.image.ImagePlugin": _PLUGIN,
            "vllm.multimodal.audio.AudioPlugin": _PLUGIN,
            "vllm.multimodal.video.VideoPlugin": _PLUGIN,
            f"{_MODELS}.clip.dummy_image_for_clip": "BaseDummyInputsBuilder._get_dummy_images",
            f"{_MODELS}.clip.dummy_seq_data_for_clip": "BaseDummyInputsBuilder.get_dummy_text",
            f"{_MODELS}.clip.get_max_clip_image_tokens": f"{_MODELS}.vision.get_vision_encoder_info",
        },
    ),
    *_rows(
        "vLLM 0.10",
        {
            f"{_REGISTRY}.create_input_mapper": "MULTIMODAL_REGISTRY.create_processor",
            f"{_REGISTRY}.has_processor": "nothing: each multimodal model has a processor",
            f"{_REGISTRY}.init_mm_limits_per_prompt": "LLM(limit_mm_per_prompt={...})",
        },
    ),
    *_rows(
        _SINCE_32,
        {
            "vllm.inputs.registry": f"{_UPDATES}.InputProcessingContext",
            "vllm.inputs.InputContext": f"{_UPDATES}.InputProcessingContext",
            "vllm.inputs.InputProcessingContext": f"{_UPDATES}.InputProcessingContext",
            "vllm.inputs.DummyData": "BaseDummyInputsBuilder.get_dummy_mm_data",
            f"{_MODELS}.interfaces.SupportsVision": f"{_MODELS}.interfaces.SupportsMultiModal",
            f"{_MODELS}.interfaces.SupportsV0Only": "nothing: there is one engine",
            "vllm.model_executor.sampling_metadata": "compute_logits(self, hidden_states), without it",
            "vllm.model_executor.SamplingMetadata": "compute_logits(self, hidden_states), without it",
            "vllm.attention.AttentionMetadata": "nothing: forward no longer takes it",
        },
    ),
    *_rows("vLLM 0.16", {"vllm.multimodal.profiling": f"{_UPDATES}.BaseDummyInputsBuilder"}),
    # a model's own methods
    *_rows(
        "after vLLM 0.11",
        {
            "SupportsMultiModal.get_multimodal_embeddings()": "def embed_multimodal(self, **kwargs)",
            "SupportsMultiModal.get_input_embeddings()": "SupportsMultiModal.embed_input_ids, inherited",
            f"{_MODELS}.utils.merge_multimodal_embeddings": "SupportsMultiModal.embed_input_ids, inherited",
        },
    ),
    *_rows("vLLM 0.11", {"SupportsMultiModal.forward(pixel_values)": "an argument of embed_multimodal"}),
    *_rows(
        _SINCE_32,
        {
            "SupportsMultiModal.forward(kv_caches)": "forward(self, input_ids, positions, ...), without it",
            "SupportsMultiModal.forward(attn_metadata)": "forward(self, input_ids, positions, ...), without it",
            "BaseMultiModalProcessor._get_data_parser()": "BaseProcessingInfo.get_data_parser",
            "BaseMultiModalProcessor._get_prompt_replacements()": "BaseMultiModalProcessor._get_prompt_updates",
            "BaseMultiModalProcessor._get_dummy_mm_inputs()": "BaseDummyInputsBuilder.get_dummy_mm_data",
            "BaseMultiModalProcessor._get_dummy_processor_inputs()": "BaseDummyInputsBuilder.get_dummy_mm_data",
            "BaseMultiModalProcessor._apply_hf_processor_mm_only()": "BaseMultiModalProcessor._get_hf_mm_text",
            "BaseMultiModalProcessor._hf_processor_applies_updates()": "BaseMultiModalProcessor._get_hf_mm_text",
            "BaseMultiModalProcessor._call_hf_processor(mm_kwargs)": "_call_hf_processor(self, hf_data, hf_kwargs)",
            "BaseProcessingInfo.get_allowed_mm_limits()": "BaseProcessingInfo.allowed_mm_limits, a property",
            "BaseDummyInputsBuilder.get_dummy_processor_inputs()": "BaseDummyInputsBuilder.get_dummy_mm_data",
            "BaseDummyInputsBuilder.get_dummy_mm_data(self, seq_len, mm_counts)": "one more argument, mm_options",
        },
    ),
    # prompt updates: token ids alone
    *_rows(
        _SINCE_32,
        {f"{name}(target=str)": "a list of token ids" for name in ("PromptReplacement", "PromptInsertion")},
        fate="never matches",
    ),
    *_rows(
        _SINCE_32,
        {
            f"{_UPDATES}.PromptReplacement.bind": "PromptUpdate.resolve(item_idx)",
            f"{_UPDATES}.PromptInsertion.bind": "PromptUpdate.resolve(item_idx)",
            f"{_UPDATES}.PromptUpdateDetails.select_text": "PromptUpdateDetails.select_token_id",
            f"{_UPDATES}.PromptSeq": "list[int]",
            f"{_UPDATES}.PromptTarget": f"{_PROCESSOR}.UpdateTarget",
            f"{_UPDATES}.BoundPromptUpdate": f"{_PROCESSOR}.ResolvedPromptUpdate",
            f"{_UPDATES}.BoundPromptReplacement": f"{_PROCESSOR}.ResolvedPromptUpdate",
            f"{_UPDATES}.find_token_matches": f"{_PROCESSOR}.ResolvedPromptUpdate.iter_token_matches",
            f"{_UPDATES}.find_text_matches": f"{_PROCESSOR}.ResolvedPromptUpdate.iter_token_matches",
            f"{_UPDATES}.apply_text_matches": f"{_PROCESSOR}.apply_token_matches",
            f"{_UPDATES}.full_groupby": "vllm.utils.collection_utils.full_groupby",
            f"{_UPDATES}.ProcessingCache": "vllm.multimodal.cache",
            f"{_UPDATES}.encode_tokens": "tokenizer.encode",
            f"{_UPDATES}.decode_tokens": "tokenizer.decode",
            **_moved(_UPDATES, _PROCESSOR, "full_groupby_modality", "find_mm_placeholders", "apply_token_matches"),
            **_moved(_UPDATES, _PROCESSOR, "iter_token_matches", "replace_token_matches", "PromptTargetMatch"),
            **_moved(_UPDATES, _PROCESSOR, "PromptIndex", "UpdateMode", "PromptUpdateInfo", "PromptUpdateContent"),
            **_moved(_UPDATES, _PROCESSOR, "PlaceholderFeaturesInfo", "ResolvedPromptUpdate"),
            **_moved(_UPDATES, _PROCESSOR, "MultiModalPromptUpdates"),
        },
    ),
    # types of inputs
    *_rows("vLLM 0.5", {"vllm.sequence.MultiModalData": _AS_DICT}),
    *_rows(
        "vLLM 0.5.1",
        {
            "vllm.multimodal.image.ImagePixelData": _AS_DICT,
            "vllm.multimodal.image.ImageFeatureData": '{"image": {"image_embeds": ...}}',
            "vllm.config.VisionLanguageConfig": "vllm.config.MultiModalConfig",
        },
    ),
    *_rows(
        _SINCE_32,
        {
            **_moved("vllm.multimodal.inputs", "vllm.inputs", "MultiModalDataDict", "MultiModalUUIDDict"),
            **_moved("vllm.multimodal.inputs", "vllm.inputs", "MultiModalHashes", "ModalityData"),
            **_moved("vllm.multimodal", "vllm.inputs", "MultiModalDataDict", "MultiModalDataBuiltins"),
            **_moved("vllm.multimodal", "vllm.inputs", "ModalityData"),
            "vllm.multimodal.inputs.MultiModalKwargs": "vllm.multimodal.inputs.MultiModalKwargsItems",
            "vllm.multimodal.MultiModalKwargs": "vllm.multimodal.MultiModalKwargsItems",
            "vllm.multimodal.inputs.MultiModalInputs": "vllm.inputs.MultiModalInput",
            "vllm.multimodal.inputs.MultiModalInputsV2": "vllm.inputs.MultiModalInput",
            "vllm.multimodal.inputs.MultiModalEncDecInputs": "vllm.inputs.MultiModalEncDecInput",
            "vllm.multimodal.MultiModalInputs": "vllm.inputs.MultiModalInput",
            "vllm.multimodal.MultiModalPlaceholderDict": "vllm.inputs.MultiModalPlaceholders",
            "vllm.multimodal.MultiModalPlaceholderMap": "vllm.inputs.MultiModalPlaceholders",
            "vllm.inputs.data": "vllm.inputs",
            "vllm.inputs.PromptInputs": "vllm.inputs.PromptType",
            "vllm.inputs.LLMInputs": "vllm.inputs.TokensInput",
            "vllm.inputs.DecoderOnlyInputs": "vllm.inputs.DecoderOnlyEngineInput",
            "vllm.inputs.TokenInputs": "vllm.inputs.TokensInput",
            "vllm.inputs.token_inputs": "vllm.inputs.tokens_input",
            "vllm.inputs.ProcessorInputs": "vllm.inputs.EngineInput",
        },
    ),
    # media and helpers
    *_rows(
        _SINCE_32,
        {
            "vllm.multimodal.base": "vllm.multimodal.media",
            **_moved("vllm.multimodal.image", "vllm.multimodal.media", "ImageMediaIO"),
            **_moved("vllm.multimodal.audio", "vllm.multimodal.media", "AudioMediaIO"),
            **_moved("vllm.multimodal.video", "vllm.multimodal.media", "VideoMediaIO"),
            "vllm.multimodal.audio.resample_audio_librosa": "vllm.multimodal.audio.AudioResampler",
            "vllm.multimodal.utils.async_fetch_image": "vllm.multimodal.media.MediaConnector",
            "vllm.multimodal.utils.get_and_parse_image": "vllm.multimodal.media.MediaConnector",
            "vllm.multimodal.utils.cached_get_tokenizer": "vllm.tokenizers.cached_get_tokenizer",
            "vllm.multimodal.utils.repeat_and_pad_placeholder_tokens": f"{_UPDATES}.PromptReplacement",
            "vllm.entrypoints.chat_utils": "vllm.renderers.chat_utils",
            "vllm.utils.FlexibleArgumentParser": "vllm.utils.argparse_utils.FlexibleArgumentParser",
            "vllm.utils.is_list_of": "vllm.utils.collection_utils.is_list_of",
        },
    ),
    *_rows("vLLM 0.16", {"vllm.transformers_utils.tokenizer.AnyTokenizer": "vllm.tokenizers.TokenizerLike"}),
    *_rows(
        "vLLM 0.19",
        {"vllm.multimodal.utils.group_mm_kwargs_by_modality": "vllm.multimodal.utils.group_and_batch_mm_kwargs"},
    ),
    *_rows("vLLM 0.22", {"vllm.transformers_utils.tokenizer": "vllm.tokenizers"}),
    # starting and asking
    *_rows(
        "vLLM 0.5.1",
        {
            **{
                old: _NOT_NEEDED
                for name in ("image_input_type", "image_token_id", "image_input_shape", "image_feature_size")
                for old in (f"LLM({name}=)", f"--{name.replace('_', '-')}")
            },
        },
    ),
    *_rows(
        "vLLM 0.5.1", {'{"prompt": "<image>" * n}': "one placeholder an item: vLLM expands it"}, "expands twice"
    ),
    *_rows("vLLM 0.10", {"--limit-mm-per-prompt image=2": "--limit-mm-per-prompt '{\"image\": 2}'"}),
    *_rows("vLLM 0.11", {"LLM.generate(prompt_token_ids=)": '{"prompt_token_ids": [...]} as the prompt'}),
    *_rows(
        "vLLM 0.12",
        {
            "SamplingParams(guided_decoding=)": "SamplingParams(structured_outputs=...)",
            "vllm.sampling_params.GuidedDecodingParams": "vllm.sampling_params.StructuredOutputsParams",
            "LLM(guided_decoding_backend=)": "structured_outputs_config={...}",
            "--guided-decoding-backend": "--structured-outputs-config",
        },
    ),
    *_rows(
        "vLLM 0.12",
        {
            f'{{"guided_{kind}"}}': f'{{"structured_outputs": {{"{kind}": ...}}}}'
            for kind in ("json", "regex", "choice", "grammar", "whitespace_pattern")
        }
        | {'{"guided_decoding_backend"}': "nothing: the server chooses"},
        fate="ignored",
    ),
    *_rows(
        "vLLM 0.13",
        {
            "LLM(disable_mm_preprocessor_cache=)": "mm_processor_cache_gb=0",
            "--disable-mm-preprocessor-cache": "--mm-processor-cache-gb 0",
        },
    ),
    *_rows(
        _SINCE_32,
        {
            "LLM(task=)": 'runner="pooling" or runner="generate"',
            "--task": "--runner pooling",
            "LLM.generate(multi_modal_data=)": _AS_DICT,
            "LLM.generate(guided_options_request=)": "SamplingParams(structured_outputs=...)",
        },
    ),
    *_rows(
        _SINCE_32,
        {
            f'extra_body{{"{name}"}}': f"--{name.replace('_', '-')} of the server, or its --trust-request-mm-kwargs"
            for name in ("mm_processor_kwargs", "media_io_kwargs")
        },
        fate="refused with 400",
    ),
    *_rows(
        _SINCE_32,
        {
            "$VLLM_MM_INPUT_CACHE_GIB": "mm_processor_cache_gb",
            "$VLLM_USE_V1": "nothing: there is one engine",
        },
        fate="ignored",
    ),
    # friends
    *_rows(
        "transformers 5.0",
        {
            "transformers.AutoModelForVision2Seq": "transformers.AutoModelForImageTextToText",
            **{
                f"transformers.{name}FeatureExtractor": "transformers.AutoImageProcessor"
                for name in ("CLIP", "ViT", "DeiT", "Beit", "Detr", "Donut", "LayoutLMv3", "Segformer", "Yolos")
            },
        },
    ),
    *_rows(
        "by transformers 5.19",
        _moved("transformers.image_utils", "transformers.video_utils", "VideoInput", "load_video"),
    ),
    *_rows(
        "by transformers 5.19",
        {f"{name}(audios=)": "audio=[...]" for name in ("AutoProcessor", "Qwen2AudioProcessor")},
        fate="ignored: the model hears nothing",
    ),
    *_rows(
        "by transformers 5.19",
        {
            f"{name}.from_pretrained(use_fast=)": 'backend="torchvision" or backend="pil"'
            for name in ("AutoProcessor", "AutoImageProcessor")
        },
        fate="deprecated",
    ),
    *_rows(
        "transformers 5.23",
        {
            f"{name}({side}_pixels=)": 'size={"shortest_edge": ..., "longest_edge": ...}'
            for name in ("AutoProcessor", "AutoImageProcessor", "Qwen2VLProcessor", "Qwen2VLImageProcessor")
            for side in ("min", "max")
        },
        fate="deprecated",
    ),
    *_rows(
        "torchvision 0.17", {"torchvision.transforms.functional_tensor": "torchvision.transforms.v2.functional"}
    ),
    *_rows(
        "torchvision 0.28",
        {
            f"torchvision.io.{name}": _VIDEO
            for name in ("VideoReader", "read_video", "read_video_timestamps", "write_video", "video")
        },
    ),
    *_rows(
        "torchaudio 2.9",
        {
            f"torchaudio.{name}": _SOUND
            for name in ("info", "AudioMetaData", "set_audio_backend", "get_audio_backend", "list_audio_backends")
        }
        | {f"torchaudio.{name}": _SOUND for name in ("backend", "io", "sox_effects", "kaldi_io")},
    ),
    *_rows("its last release, 0.6 of 2021", {"decord": _VIDEO}, fate="not maintained"),
    *_rows(
        "Pillow 10",
        {
            "PIL.Image.ANTIALIAS": "PIL.Image.Resampling.LANCZOS",
            "PIL.ImageDraw.Draw.textsize": "ImageDraw.textbbox",
            "PIL.ImageFont.truetype.getsize": "ImageFont.getbbox",
        },
    ),
    *_rows("by Ray 2.60", {"ray.data.llm.build_llm_processor": "ray.data.llm.build_processor"}),
)
