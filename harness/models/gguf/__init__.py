"""GGUF, llama.cpp's file format: bases and LoRA adapters. Needs the ``gguf`` extra."""

from harness.models.gguf._convert import check_file, convert_adapter, convert_base
from harness.models.gguf._dequantise import dequantise
from harness.models.gguf._library import TYPES, forget, header, llama, quantise, reason

__all__ = [
    "TYPES",
    "check_file",
    "convert_adapter",
    "convert_base",
    "dequantise",
    "forget",
    "header",
    "llama",
    "quantise",
    "reason",
]
