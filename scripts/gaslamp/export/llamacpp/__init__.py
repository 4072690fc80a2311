"""llama.cpp: its tools found or built once per user, and wrappers around conversion, quantization and serving."""
