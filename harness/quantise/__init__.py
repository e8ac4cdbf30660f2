"""Quantised bases: how they are made, and what loading one takes."""

from harness.quantise._gptq import gptq, loading
from harness.quantise._library import quiet

__all__ = ["gptq", "loading", "quiet"]
