"""A chat template in Ollama's template language, checked to render the same prompts."""
