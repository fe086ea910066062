"""tiny-qwen2-vl: model, forward, conversation, batches, train, evaluate."""
