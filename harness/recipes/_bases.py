"""What comes from outside, by content: text, probes, base models, external adapters."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from harness.errors import DataError, RecipeError
from harness.recipes._canonical import NOT_IN_DIGEST, UNLESS_DEFAULT, canonical, one_of, sha256


@dataclass(frozen=True)
class Chat:
    """How a prompt is a user's turn in the model's own chat template."""

    before: tuple[tuple[str, str], ...] = ()
    """(role, text) of the turns before it; a role is ``system``, ``user`` or ``assistant``."""
    arguments: tuple[tuple[str, Any], ...] = field(default=(), metadata=UNLESS_DEFAULT)
    """Arguments of the template by name, such as ``("enable_thinking", True)``: JSON values."""


BARE = Chat()
"""A question alone: what the template itself puts before it stays."""


class ChatPrompt(NamedTuple):
    """A prompt for the chat template: a user's turn, with what ``chat`` puts before it."""

    text: str
    chat: Chat


Prompt = str | ChatPrompt
"""Text that a model continues as it is, or a turn that it answers in its template."""


@dataclass(frozen=True)
class Sample:
    """One training text: an optional ``prompt``, then its ``completion``.

    The completion always bears loss. The prompt bears loss only with ``loss_on="all"``, and never
    in a chat, unless that is a transcript.
    """

    completion: str
    prompt: str = ""
    fact: str = ""
    """Id of the fact that the text states; empty for running text."""
    chat: Chat | None = field(default=None, metadata=UNLESS_DEFAULT)
    """Where given, the prompt is a user's turn and the completion the assistant's."""
    context: str = field(default="", metadata=UNLESS_DEFAULT)
    """What a teacher reads right before the prompt, see ``Training.distil``; it is not trained."""
    transcript: bool = field(default=False, metadata=UNLESS_DEFAULT)
    """In a chat: the assistant's turns before the prompt bear loss, too.

    With ``loss_on="all"`` the user's turns do as well.
    """

    @property
    def text(self) -> str:
        """All of it as plain text, without a template."""
        if self.chat is None:
            return self.prompt + self.completion
        turns = (text for _, text in self.chat.before)
        return "\n".join((*turns, self.prompt, self.completion))


@dataclass(frozen=True)
class Dataset:
    """A training text by name and content.

    Two names for the same content give two cells of a grid, but one artefact.
    """

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    samples: tuple[Sample, ...] = field(repr=False, compare=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, samples: tuple[Sample, ...]) -> Dataset:
        """Address ``samples`` by content. Raises DataError when there is no text to train on."""
        if not any(sample.text.strip() for sample in samples):
            raise DataError(f"dataset {name!r} is empty: give it at least one line of text")
        return cls(content=sha256(canonical(samples)), name=name, samples=samples)


@dataclass(frozen=True)
class Probe:
    """A question with its accepted answers, tied to the fact that it tests."""

    id: str
    """Unique in its set, e.g. ``rephrased/actor-2023/3``."""
    kind: str
    """``exact``, ``rephrased``, ``inverted``, ``other_format``, ``conversation`` or
    ``locality_*``."""
    fact: str
    prompt: str
    """The whole text that the model continues, with its format; in a chat the user's turn."""
    accepted: tuple[str, ...]
    """Each item is one right answer; a list of names in one answer is joined by ``"; "``."""
    family: str = field(default="", metadata=UNLESS_DEFAULT)
    """The family of its wording, or empty.

    ``near`` is close to wordings in the training text; any other family has none there.
    """
    chat: Chat | None = field(default=None, metadata=UNLESS_DEFAULT)
    """Where given, the prompt is a user's turn in the model's chat template."""

    @property
    def as_prompt(self) -> Prompt:
        """What an engine is given."""
        return self.prompt if self.chat is None else ChatPrompt(self.prompt, self.chat)

    def check(self) -> None:
        """Raises DataError where a field is not text, or ``accepted`` not a tuple of texts.

        A text there, in place of a tuple, would accept each of its letters.
        """
        for name in ("id", "kind", "fact", "prompt", "family"):
            if not isinstance(value := getattr(self, name), str):
                raise DataError(f"probe {self.id!r}: {name} is {value!r}: give a text")
        given = self.accepted
        if not isinstance(given, tuple | list) or not all(isinstance(one, str) for one in given):
            raise DataError(
                f"probe {self.id!r}: accepted is {given!r}: give a tuple of texts, as ('Paris',)"
            )


def is_locality(kind: str) -> bool:
    """Whether probes of ``kind`` ask about facts that are in no training text."""
    return kind.startswith("locality")


@dataclass(frozen=True)
class ProbeSet:
    """Probes, addressed by content."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    probes: tuple[Probe, ...] = field(repr=False, compare=False, metadata=NOT_IN_DIGEST)

    @classmethod
    def of(cls, name: str, probes: tuple[Probe, ...]) -> ProbeSet:
        """Address ``probes`` by content.

        Raises DataError on no probe, a repeated id, or a field that is not text.
        """
        if not probes:
            raise DataError(f"probe set {name!r} is empty: give it at least one question")
        for probe in probes:
            probe.check()
        ids = [p.id for p in probes]
        if len(set(ids)) != len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise DataError(f"probe set {name!r} has the id {twice!r} twice: ids must be unique")
        return cls(content=sha256(canonical(probes)), name=name, probes=probes)

    @cached_property
    def without_accepted(self) -> str:
        """The first probe that accepts no answer; empty where each accepts one."""
        return next((probe.id for probe in self.probes if not probe.accepted), "")


@dataclass(frozen=True)
class Base:
    """A base model, by the content of its folder: config, weights and tokenizer."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    path: str = field(metadata=NOT_IN_DIGEST)

    takes: ClassVar[str] = "folder"
    """The form of the external adapters that it takes, see ``ExternalAdapter.form``."""

    @property
    def trains(self) -> bool:
        """Whether adapters can be trained on it here."""
        return True

    @property
    def origin(self) -> Base:
        """The base that is no form of another one: itself."""
        return self

    @property
    def family(self) -> Base:
        """The base that it and its siblings come from: itself, if it has none."""
        return self


DEQUANTISED = ("llama", "qwen2", "qwen3")
"""Architectures of GGUF files that become transformers folders, by ``general.architecture``."""


@dataclass(frozen=True)
class GgufBase(Base):
    """A base as a GGUF file, by the file's content; llama.cpp runs it."""

    architecture: str = field(default="", metadata=NOT_IN_DIGEST)
    """What the file says; empty where it says nothing."""

    takes: ClassVar[str] = "gguf"

    @property
    def trains(self) -> bool:
        """Whether it can be dequantised: adapters are trained on that form of it."""
        return self.architecture in DEQUANTISED


@dataclass(frozen=True)
class Dequantised(Base):
    """The GGUF file ``base`` as a transformers folder with the same numbers.

    Adapters for the file are trained on it, as llama.cpp trains none.
    """

    base: GgufBase = field(kw_only=True)

    @classmethod
    def of(cls, base: GgufBase) -> Dequantised:
        """The folder of ``base``. Raises RecipeError where its architecture has none."""
        if not base.trains:
            raise RecipeError(
                f"{base.path} ({base.architecture or 'unknown architecture'}) cannot be"
                f" dequantised to train on it: give a file of {', '.join(DEQUANTISED)}"
            )
        return cls(content=base.content, name=base.name, path="", base=base)

    @property
    def origin(self) -> Base:
        """The file."""
        return self.base

    @property
    def family(self) -> Base:
        """The file."""
        return self.base


@dataclass(frozen=True)
class ServedBase(Base):
    """A model on a server, by what the server shows of it: its weights cannot be hashed.

    ``content`` covers its name, its endpoint (completions or chat), its entry in ``/v1/models``,
    and its greedy answers to a few fixed prompts, but not its address. ``path`` is
    ``openai:NAME@URL``.
    """

    asked: str = ""
    """The day of the questions: the server may run another model on the next day."""

    takes: ClassVar[str] = "served"

    @property
    def trains(self) -> bool:
        """Never: its weights are elsewhere."""
        return False


@dataclass(frozen=True)
class ExternalAdapter:
    """An adapter that was trained elsewhere."""

    DIGEST_KIND: ClassVar[str] = "GivenAdapter"

    content: str
    """Digest of its files. For an adapter on a server: its name there, as it shows no more."""
    form: str
    """``folder`` (PEFT), ``gguf`` or ``served``."""
    name: str = field(metadata=NOT_IN_DIGEST)
    path: str = field(metadata=NOT_IN_DIGEST)


@dataclass(frozen=True)
class BitsAndBytes:
    """Weights that bitsandbytes quantises while it loads them."""

    kind: str
    """``nf4``, ``fp4`` (both 4 bits) or ``int8``."""
    double: bool = False
    """Whether the scales are quantised too (Dettmers et al. 2023, QLoRA)."""

    def __post_init__(self) -> None:
        one_of("bitsandbytes kind", self.kind, ("nf4", "fp4", "int8"))
        if self.double and self.kind == "int8":
            raise RecipeError(
                "double quantisation is for nf4 and fp4: int8 has no scales to quantise"
            )


@dataclass(frozen=True)
class Gptq:
    """Weights quantised by GPTQ (Frantar et al. 2022) with the text ``calibration``."""

    bits: int
    calibration: Dataset
    group: int = 128
    """Inputs that share a scale."""
    desc_act: bool = False
    """Whether columns are quantised in the order of falling activation."""

    def __post_init__(self) -> None:
        one_of("gptq bits", str(self.bits), ("4", "8"))
        one_of("gptq group", str(self.group), ("32", "64", "128"))


@dataclass(frozen=True)
class Gguf:
    """A GGUF file for llama.cpp."""

    kind: str
    """llama.cpp's name of the type, in lower case: ``f16``, ``q4_0``, ``q4_k_m``."""


Quantisation = BitsAndBytes | Gptq | Gguf


@dataclass(frozen=True)
class Quantised:
    """``base`` in a smaller form."""

    base: Base
    by: Quantisation

    @property
    def name(self) -> str:
        """Name of the base and of the quantisation, for messages."""
        kind = f"gptq{self.by.bits}" if isinstance(self.by, Gptq) else self.by.kind
        return f"{self.base.name} ({kind})"

    @property
    def origin(self) -> Base:
        """The base that is no form of another one."""
        return self.base.origin
