"""Base models and LoRA adapters, as files and in memory."""
