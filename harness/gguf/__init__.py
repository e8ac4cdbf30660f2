"""GGUF, llama.cpp's file format: bases, quantised bases and LoRA adapters. Needs the ``gguf`` extra."""

from harness.gguf._adapter import convert_adapter
from harness.gguf._base import convert_base
from harness.gguf._quantise import TYPES, quantise

__all__ = ["TYPES", "convert_adapter", "convert_base", "quantise"]
