"""tiny-reader: a Qwen2-VL that reads short printed text, and receipts by field."""
