"""Descriptions of everything that can be built: frozen, hashable values, without torch or I/O."""

from harness.recipes._answers import (
    Answers,
    Calibration,
    Decoding,
    Embedder,
    Grades,
    Judge,
    Labelled,
    LabelledSet,
    Likelihoods,
    Meanings,
    Routed,
    Timings,
    held_out,
)
from harness.recipes._bases import (
    BARE,
    DEQUANTISED,
    Base,
    BitsAndBytes,
    Chat,
    ChatPrompt,
    Dataset,
    Dequantised,
    ExternalAdapter,
    Gguf,
    GgufBase,
    Gptq,
    Probe,
    ProbeSet,
    Prompt,
    Quantisation,
    Quantised,
    Sample,
    ServedBase,
    is_locality,
)
from harness.recipes._canonical import SCHEMA, canonical, changed, digest, plain, sha256
from harness.recipes._models import MERGES, Adapter, GgufAdapter, Lora, Merged, Sibling, Stack
from harness.recipes._training import ALL_LINEAR, ATTENTION, MLP, Training

Recipe = (
    Base
    | Dataset
    | ProbeSet
    | Quantised
    | Adapter
    | Merged
    | GgufAdapter
    | Stack
    | Answers
    | Routed
    | Likelihoods
    | Timings
    | Calibration
    | Meanings
    | Grades
)

__all__ = [
    "ALL_LINEAR",
    "ATTENTION",
    "BARE",
    "DEQUANTISED",
    "MERGES",
    "MLP",
    "SCHEMA",
    "Adapter",
    "Answers",
    "Base",
    "BitsAndBytes",
    "Calibration",
    "Chat",
    "ChatPrompt",
    "Dataset",
    "Decoding",
    "Dequantised",
    "Embedder",
    "ExternalAdapter",
    "Gguf",
    "GgufAdapter",
    "GgufBase",
    "Gptq",
    "Grades",
    "Judge",
    "Labelled",
    "LabelledSet",
    "Likelihoods",
    "Lora",
    "Meanings",
    "Merged",
    "Probe",
    "ProbeSet",
    "Prompt",
    "Quantisation",
    "Quantised",
    "Recipe",
    "Routed",
    "Sample",
    "ServedBase",
    "Sibling",
    "Stack",
    "Timings",
    "Training",
    "canonical",
    "changed",
    "digest",
    "held_out",
    "is_locality",
    "plain",
    "sha256",
]
