"""Who runs a model."""

from harness.engines._engine import Capabilities, Engine
from harness.engines._transformers import TransformersEngine
from harness.engines.presets import DECODINGS, decoding

__all__ = ["DECODINGS", "Capabilities", "Engine", "TransformersEngine", "decoding"]
