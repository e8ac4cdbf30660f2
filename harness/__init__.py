"""A pytest-driven evaluation harness for what a LoRA can make a language model remember."""
