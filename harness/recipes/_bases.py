"""Recipes for base models, and for adapters that were made elsewhere: by content, not by where they
lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from harness.recipes._canonical import NOT_IN_DIGEST


@dataclass(frozen=True)
class Base:
    """A base model: by the content of its folder (config, weights, tokenizer), not by where it
    lies."""

    content: str
    name: str = field(metadata=NOT_IN_DIGEST)
    path: str = field(metadata=NOT_IN_DIGEST)

    takes: ClassVar[str] = "folder"
    """The form of ready-made adapters that fit."""
    trains: ClassVar[bool] = True
    """Whether adapters can be trained on it here."""

    @property
    def origin(self) -> Base:
        """The unquantised base: itself."""
        return self

    @property
    def family(self) -> Base:
        """The base that it and its siblings were made from: itself, if none."""
        return self


@dataclass(frozen=True)
class GgufBase(Base):
    """A base as a GGUF file, by the file's content; llama.cpp answers with it."""

    takes: ClassVar[str] = "gguf"
    trains: ClassVar[bool] = False


@dataclass(frozen=True)
class ServedBase(Base):
    """A model on a server. Nobody can hash its weights, so ``content`` is of what the server shows
    of it.

    That is its name, its endpoint (completions or chat), what ``/v1/models`` says about it, and
    greedy answers to a few fixed prompts; not its address. ``path`` is ``openai:NAME@URL``.
    """

    asked: str = ""
    """The day on which it is asked: what a server says on one day need not be what it says on the
    next."""

    takes: ClassVar[str] = "served"
    trains: ClassVar[bool] = False


@dataclass(frozen=True)
class ExternalAdapter:
    """An adapter that was made elsewhere."""

    DIGEST_KIND: ClassVar[str] = "GivenAdapter"

    content: str
    """Of its files; on a server its name there, as there is nothing else to see."""
    form: str
    """``folder`` (PEFT), ``gguf`` or ``served``."""
    name: str = field(metadata=NOT_IN_DIGEST)
    path: str = field(metadata=NOT_IN_DIGEST)
