"""tiny-qwen2-audio and tiny-whisper, which share an encoder: qwen2_audio, whisper, batches, train, evaluate."""
