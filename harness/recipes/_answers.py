"""Recipes for a judge: who judges, the labelled pairs that it is held against, and what came of
that."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.errors import DataError, RecipeError
from harness.recipes._canonical import NOT_IN_DIGEST, UNLESS_DEFAULT, canonical, sha256
from harness.recipes._data import ProbeSet
from harness.recipes._models import Stack

PROTOCOL = 2
"""How a model is measured. 1: on bases that an earlier adapter may have changed."""

_LEAST = {
    "max_new_tokens": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "top_k": 0,
    "no_repeat_ngram_size": 0,
    "seed": 0,
}


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
    early_stopping: bool | str = False
    """Whether a beam search ends with the first ``num_beams`` texts (True), when better ones are
    unlikely (False), or when there can be none (``"never"``)."""
    num_return_sequences: int = 1
    stop: tuple[str, ...] = ("\n",)
    """Generation ends before the first of these strings, which is not part of the answer."""
    seed: int = 0
    bad_words: tuple[str, ...] = field(default=(), metadata=UNLESS_DEFAULT)
    """Strings whose tokens are never generated one after the other: GenerationConfig's
    bad_words_ids as text."""
    eos: str = field(default="", metadata=UNLESS_DEFAULT)
    """Text of the one token that ends an answer; empty: the model's own."""
    pad: str = field(default="", metadata=UNLESS_DEFAULT)
    """Text of the one token that fills up shorter prompts; empty: the tokenizer's. Not all engines
    pad."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        for name in ("top_p", "typical_p"):
            if not 0 < getattr(self, name) <= 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}: it must be above 0 and at most 1 (1 is none)"
                )
        if not 0 <= self.min_p <= 1:
            raise RecipeError(f"min_p is {self.min_p}: it must be at least 0 (none) and at most 1")
        for name in ("temperature", "repetition_penalty", "length_penalty"):
            if not math.isfinite(getattr(self, name)):
                raise RecipeError(f"{name} is {getattr(self, name)}: give a number such as 1")
        if not isinstance(self.do_sample, bool):
            raise RecipeError(f"do_sample is {self.do_sample!r}: choose true or false")
        if self.do_sample and not self.temperature > 0:
            raise RecipeError(
                f"temperature is {self.temperature}: sampling needs a temperature above 0"
            )
        if not self.repetition_penalty > 0:
            raise RecipeError(
                f"repetition_penalty is {self.repetition_penalty}: it must be above 0 (1 is none)"
            )
        if self.early_stopping not in (True, False, "never"):
            raise RecipeError(
                f"early_stopping is {self.early_stopping!r}: choose true, false or never"
            )
        if 1 < self.num_beams < self.num_return_sequences:
            raise RecipeError(
                f"num_return_sequences is {self.num_return_sequences}: a search with"
                f" {self.num_beams} beams finds {self.num_beams} texts at most"
            )
        if "" in self.bad_words:
            raise RecipeError("bad_words has an empty string: leave it out")


@dataclass(frozen=True)
class Answers:
    """What ``stack`` answers to ``probes``."""

    stack: Stack
    probes: ProbeSet
    decoding: Decoding = Decoding()
    dtype: str = "float32"
    protocol: int = PROTOCOL
    """Always in the digest, so that figures of an older protocol are not served."""


@dataclass(frozen=True)
class Likelihoods:
    """How probable ``stack`` finds each accepted answer to ``probes``: told, not asked."""

    stack: Stack
    probes: ProbeSet
    dtype: str = "float32"
    protocol: int = PROTOCOL
    """Always in the digest, so that figures of an older protocol are not served."""


@dataclass(frozen=True)
class Timings:
    """How long ``stack`` takes to be put on and to answer, beside its bare base, round by round."""

    stack: Stack
    probes: ProbeSet
    rounds: int = 7
    tokens: int = 16
    """New tokens an answer, stop strings or not."""
    dtype: str = "float32"
    protocol: int = PROTOCOL
    """Always in the digest, so that figures of an older protocol are not served."""


@dataclass(frozen=True)
class Grades:
    """Verdicts on ``answers``. ``grader`` names method and version, as a change of either changes
    verdicts."""

    answers: Answers
    grader: str = "fuzzy-5"
    threshold: float = 0.0
    """0 asks for the grader's own default."""
    calibration: Calibration | None = field(default=None, metadata=UNLESS_DEFAULT)
    """Of the judge, where there is one: no judge without calibration."""


@dataclass(frozen=True)
class Judge:
    """A model that says whether an answer means the same as the accepted one."""

    content: str
    """Digest of the folder or file. A model on a server has none: its name and address stand in."""
    name: str = field(metadata=NOT_IN_DIGEST)
    """For tables."""
    model: str = field(metadata=NOT_IN_DIGEST)
    """What finds it: a folder, a ``.gguf`` file, or ``openai:NAME@URL``."""
    prompts: str = "four-1"
    """Name and version of what it is asked: a change changes verdicts."""


@dataclass(frozen=True)
class Labelled:
    """An answer of which people have said whether it is right."""

    question: str
    accepted: str
    """Names of a list are joined by ``"; "``."""
    answer: str
    right: bool
    case: str = ""
    """What is difficult about it."""
    group: str = ""
    """Of cases: what a judge is worth is said for each group, too."""


@dataclass(frozen=True)
class LabelledSet:
    """Labelled pairs by content."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    pairs: tuple[Labelled, ...] = field(repr=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, pairs: tuple[Labelled, ...]) -> LabelledSet:
        """Address ``pairs`` by content. Raises DataError where a half lacks right or
        wrong answers."""
        found = cls(content=sha256(canonical(pairs)), name=name, pairs=pairs)
        for half in (True, False):
            kinds = {pair.right for pair in pairs if held_out(pair) == half}
            if kinds != {True, False}:
                raise DataError(
                    f"labelled pairs {name!r} lack right or wrong answers in one half: give it more"
                    " of both"
                )
        return found


def held_out(pair: Labelled) -> bool:
    """Whether ``pair`` is in the half that is reported; pairs on one accepted answer
    stay together."""
    return int(sha256(pair.accepted), 16) % 2 == 1


@dataclass(frozen=True)
class Calibration:
    """What ``judge`` says of ``labelled``, and what that makes of its verdicts."""

    judge: Judge
    labelled: LabelledSet
    fuzzy: str
    """Name and version of the fuzzy grader that the judge is compared with on the same pairs."""
