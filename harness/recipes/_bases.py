"""Recipes for base models and their quantised forms, and for adapters from elsewhere.

A base or a ready-made adapter is known by its content, not by its folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from harness.errors import RecipeError
from harness.recipes._canonical import NOT_IN_DIGEST, one_of
from harness.recipes._data import Dataset


@dataclass(frozen=True)
class Base:
    """A base model, by the content of its folder: config, weights and tokenizer."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    path: str = field(metadata=NOT_IN_DIGEST)

    takes: ClassVar[str] = "folder"
    """The form of ready-made adapters that fit it, see ``ExternalAdapter.form``."""
    trains: ClassVar[bool] = True
    """Whether adapters can be trained on it here."""

    @property
    def origin(self) -> Base:
        """The unquantised base: itself."""
        return self

    @property
    def family(self) -> Base:
        """The base that it and its siblings come from: itself, if it has none."""
        return self


@dataclass(frozen=True)
class GgufBase(Base):
    """A base as a GGUF file, by the file's content; llama.cpp runs it."""

    takes: ClassVar[str] = "gguf"
    trains: ClassVar[bool] = False


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
    trains: ClassVar[bool] = False


@dataclass(frozen=True)
class ExternalAdapter:
    """A ready-made adapter that was trained elsewhere."""

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
        """For messages."""
        kind = f"gptq{self.by.bits}" if isinstance(self.by, Gptq) else self.by.kind
        return f"{self.base.name} ({kind})"

    @property
    def origin(self) -> Base:
        """The unquantised base."""
        return self.base
