"""Recipes for results: answers, likelihoods, timings, and grades with their judge."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from harness.errors import DataError, RecipeError
from harness.recipes._bases import ProbeSet
from harness.recipes._canonical import (
    BY_DIGEST,
    NOT_IN_DIGEST,
    UNLESS_DEFAULT,
    at_least,
    canonical,
    sha256,
    true_or_false,
)
from harness.recipes._models import Stack

PROTOCOL = 2
"""Version of the way a model is measured.

1: an earlier adapter could leave traces in the weights of the base. 2: the base is restored.
"""

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
    """When a beam search ends.

    True: at the first ``num_beams`` complete texts. False: when better ones are unlikely.
    ``"never"``: when better ones are impossible.
    """
    num_return_sequences: int = 1
    stop: tuple[str, ...] = ("\n",)
    """Generation ends before the first of these strings, which is not part of the answer."""
    seed: int = 0
    bad_words: tuple[str, ...] = field(default=(), metadata=UNLESS_DEFAULT)
    """Strings whose token sequences are never generated: GenerationConfig's bad_words_ids as
    text."""
    eos: str = field(default="", metadata=UNLESS_DEFAULT)
    """Text of the one token that ends an answer; empty: the model's own."""
    pad: str = field(default="", metadata=UNLESS_DEFAULT)
    """Text of the one token that pads shorter prompts; empty: the tokenizer's. Some engines do
    not pad."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            at_least(name, getattr(self, name), least)
        self._check_sampling()
        self._check_search()
        if "" in self.bad_words:
            raise RecipeError("bad_words has an empty string: leave it out")

    def _check_sampling(self) -> None:
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
        true_or_false("do_sample", self.do_sample)
        if self.do_sample and not self.temperature > 0:
            raise RecipeError(
                f"temperature is {self.temperature}: sampling needs a temperature above 0"
            )
        if not self.repetition_penalty > 0:
            raise RecipeError(
                f"repetition_penalty is {self.repetition_penalty}: it must be above 0 (1 is none)"
            )

    def _check_search(self) -> None:
        if self.early_stopping not in (True, False, "never"):
            raise RecipeError(
                f"early_stopping is {self.early_stopping!r}: choose true, false or never"
            )
        if 1 < self.num_beams < self.num_return_sequences:
            raise RecipeError(
                f"num_return_sequences is {self.num_return_sequences}: a search with"
                f" {self.num_beams} beams finds {self.num_beams} texts at most"
            )


@dataclass(frozen=True)
class Answers:
    """The answers of ``stack`` to ``probes``."""

    stack: Stack
    probes: ProbeSet
    decoding: Decoding = Decoding()
    dtype: str = "float32"
    protocol: int = PROTOCOL
    """Always in the digest, so that figures of an older protocol are never reused."""


@dataclass(frozen=True)
class Routed:
    """The answers to ``probes``, each by the stack, and to the prompt, that a policy chose for it.

    The probes of a part may have other prompts than those of ``probes``, with text before the
    question. Each part is an artefact of its own, so cells that share one ask it once.
    """

    parts: tuple[Answers, ...] = field(metadata=BY_DIGEST)
    """Each has some of the probes; all together have each of them once."""
    probes: ProbeSet

    def __post_init__(self) -> None:
        counts = Counter(probe.id for part in self.parts for probe in part.probes.probes)
        ids = {probe.id for probe in self.probes.probes}
        wrong = [name for name, count in counts.items() if count > 1 or name not in ids]
        if wrong := [*wrong, *sorted(ids - counts.keys())]:
            raise RecipeError(
                f"routed answers to {self.probes.name!r}: probe {wrong[0]!r} is to be in one part,"
                f" and is in {counts[wrong[0]]}: route each probe once"
            )


@dataclass(frozen=True)
class Likelihoods:
    """The probability that ``stack`` gives each accepted answer to ``probes``.

    The answer is scored as text after the question; nothing is generated.
    """

    stack: Stack
    probes: ProbeSet
    dtype: str = "float32"
    protocol: int = PROTOCOL
    """Always in the digest, so that figures of an older protocol are never reused."""


@dataclass(frozen=True)
class Timings:
    """How long ``stack`` takes to load and to answer, in rounds that alternate with its base."""

    stack: Stack
    probes: ProbeSet
    rounds: int = 7
    tokens: int = 16
    """New tokens in each answer; stop strings do not end it."""
    dtype: str = "float32"
    protocol: int = PROTOCOL
    """Always in the digest, so that figures of an older protocol are never reused."""


@dataclass(frozen=True)
class Grades:
    """Verdicts on ``answers``."""

    answers: Answers | Routed
    grader: str = "fuzzy-5"
    """Name and version of the method: a change of either changes verdicts."""
    threshold: float = 0.0
    """0 is the grader's own default."""
    calibration: Calibration | None = field(default=None, metadata=UNLESS_DEFAULT)
    """Calibration of the judge; None where no judge is used."""


@dataclass(frozen=True)
class Judge:
    """A model that says whether an answer means the same as the accepted one."""

    content: str
    """Digest of the folder or file; for a model on a server, of its name and address."""
    name: str = field(metadata=NOT_IN_DIGEST)
    """For tables."""
    model: str = field(metadata=NOT_IN_DIGEST)
    """Where it is: a folder, a ``.gguf`` file, or ``openai:NAME@URL``."""
    prompts: str = "four-1"
    """Name and version of its prompts: a change changes verdicts."""


@dataclass(frozen=True)
class Embedder:
    """A model of sentence embeddings: texts of one meaning get vectors of one direction."""

    content: str
    """Digest of its files."""
    name: str = field(metadata=NOT_IN_DIGEST)
    path: str = field(metadata=NOT_IN_DIGEST)
    """Its folder; empty where it is not installed."""


@dataclass(frozen=True)
class Meanings:
    """How near in meaning ``answers`` are to ``bare``, which has the same probes."""

    answers: Answers
    bare: Answers
    embedder: Embedder
    locality: bool = False
    """Whether only probes on untouched facts are compared, else all."""

    def __post_init__(self) -> None:
        if self.answers.probes != self.bare.probes:
            raise RecipeError(
                f"answers to {self.answers.probes.name} and {self.bare.probes.name} are compared:"
                " give answers to the same questions"
            )


@dataclass(frozen=True)
class Labelled:
    """An answer that people have labelled as right or wrong."""

    question: str
    accepted: str
    """Names of a list are joined by ``"; "``."""
    answer: str
    right: bool
    case: str = ""
    """What makes it difficult."""
    group: str = ""
    """Group of cases; a judge's error rates are also reported for each group."""


@dataclass(frozen=True)
class LabelledSet:
    """Labelled pairs, addressed by content."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    pairs: tuple[Labelled, ...] = field(repr=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, pairs: tuple[Labelled, ...]) -> LabelledSet:
        """Address ``pairs`` by content.

        Raises:
            DataError: the held-out half or the other one lacks right or wrong answers.
        """
        for half in (True, False):
            verdicts = {pair.right for pair in pairs if held_out(pair) == half}
            if verdicts != {True, False}:
                raise DataError(
                    f"labelled pairs {name!r} lack right or wrong answers in one half: give it more"
                    " of both"
                )
        return cls(content=sha256(canonical(pairs)), name=name, pairs=pairs)


def held_out(pair: Labelled) -> bool:
    """Whether ``pair`` is in the half that is reported; the other half sets the judge up.

    The split is by a hash of the accepted answer, so pairs with the same one stay together.
    """
    return int(sha256(pair.accepted), 16) % 2 == 1


@dataclass(frozen=True)
class Calibration:
    """The verdicts of ``judge`` on ``labelled``, which give its error rates."""

    judge: Judge
    labelled: LabelledSet
    fuzzy: str
    """Name and version of the fuzzy grader that the judge is compared with on the same pairs."""
