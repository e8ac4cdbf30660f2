"""Recipes for what a model said, and for how it was graded."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import RecipeError
from harness.recipes._data import ProbeSet
from harness.recipes._models import Stack


@dataclass(frozen=True)
class Decoding:
    """How text is generated; names and meanings are those of transformers' GenerationConfig."""

    max_new_tokens: int = 40
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    typical_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool = False
    num_return_sequences: int = 1
    stop: tuple[str, ...] = ("\n",)
    """Generation ends before the first of these strings, which is not part of the answer."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "num_beams", "num_return_sequences"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if self.do_sample and not self.temperature > 0:
            raise RecipeError(f"temperature is {self.temperature}: sampling needs a temperature above 0")


@dataclass(frozen=True)
class Answers:
    """What ``stack`` answers to ``probes``."""

    stack: Stack
    probes: ProbeSet
    decoding: Decoding = Decoding()
    dtype: str = "float32"


@dataclass(frozen=True)
class Likelihoods:
    """How probable ``stack`` finds each accepted answer to ``probes``: told, not asked."""

    stack: Stack
    probes: ProbeSet
    dtype: str = "float32"


@dataclass(frozen=True)
class Grades:
    """Verdicts on ``answers``. ``grader`` names method and version, as a change of either changes verdicts."""

    answers: Answers
    grader: str = "fuzzy-2"
    threshold: float = 0.0
    """0 asks for the grader's own default."""
