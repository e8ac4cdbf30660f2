"""GGUF, llama.cpp's file format: bases and LoRA adapters. Needs the ``gguf`` extra."""

from harness.models.gguf._adapter import check_file, convert_adapter
from harness.models.gguf._base import convert_base
from harness.models.gguf._library import TYPES, forget, llama, quantise, reason

__all__ = [
    "TYPES",
    "check_file",
    "convert_adapter",
    "convert_base",
    "forget",
    "llama",
    "quantise",
    "reason",
]
