"""Quantised bases: how they are made, and what loading one takes."""

from harness.quantise._gptq import gptq, loading

__all__ = ["gptq", "loading"]
