"""mmkit: multimodal preprocessing and inference with vLLM, taught and done."""
