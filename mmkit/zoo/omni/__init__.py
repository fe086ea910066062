"""tiny-omni, put together from the other two: model, batches, train, evaluate."""
