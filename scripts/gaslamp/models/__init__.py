"""Base models: weights, tokenizer, prompt template, processor."""
