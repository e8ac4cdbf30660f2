"""Engines by the names that ``--engine`` takes: in which form a base answers, and in which one
adapters are trained."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

from harness.engines._engine import Capabilities, Engine
from harness.engines._llamacpp import LlamaCppEngine
from harness.engines._openai import ServedEngine
from harness.engines._transformers import TransformersEngine
from harness.errors import MissingExtraError, RecipeError
from harness.models.gguf import TYPES
from harness.recipes import (
    Base,
    BitsAndBytes,
    Dataset,
    Gguf,
    GgufBase,
    Gptq,
    Quantised,
    ServedBase,
    Sibling,
)

_CALIBRATING = 128
"""Texts for GPTQ, as in its paper."""
_BITS_AND_BYTES = {
    "nf4": BitsAndBytes("nf4"),
    "nf4dq": BitsAndBytes("nf4", double=True),
    "fp4": BitsAndBytes("fp4"),
    "fp4dq": BitsAndBytes("fp4", double=True),
    "int8": BitsAndBytes("int8"),
}
_GPTQ = {f"gptq{bits}{form}": (bits, group, act) for bits in (4, 8) for form, group, act in (
    ("", 128, False), ("g64", 64, False), ("g32", 32, False), ("act", 128, True))}  # fmt: skip
_EXTRAS = {
    "bnb": ("bitsandbytes",),
    "gptq": ("gptqmodel", "optimum"),
    "gguf": ("llama_cpp", "gguf"),
}

FORMS = ("hf", "bf16", *_BITS_AND_BYTES, *_GPTQ, *(f"gguf:{kind}" for kind in TYPES))
"""Every form that answers."""
ALL = ("hf", "nf4", "int8", "gptq4", "gguf:q4_0", "gguf:q5_1", "gguf:q8_0")
"""What ``--engine all`` stands for."""


class EngineSpec(NamedTuple):
    """One engine as the user named it: ``gptq4``, ``gguf:q4_0``, ``nf4@hf`` (trained on the full
    base)."""

    answers: str = "hf"
    trains: str = "hf"

    @property
    def name(self) -> str:
        """As in ids: nothing that ``-k`` or a shell would trip on."""
        own = self.answers.replace(":", "_")
        return (
            own if self.trains == _trains_by_default(self.answers) else f"{own}_from_{self.trains}"
        )

    @property
    def runner(self) -> str:
        """``gguf``, ``served`` or ``hf``: what answers."""
        return (
            self.answers.partition(":")[0] if self.answers.startswith(("gguf", "served")) else "hf"
        )

    @property
    def dtype(self) -> str:
        return "bfloat16" if self.answers == "bf16" else "float32"

    @property
    def capabilities(self) -> Capabilities:
        """Of who answers; and whether there is a form to train on."""
        return _RUNNERS[self.runner].capabilities._replace(
            trains=self.trains not in (GGUF.trains, SERVED.trains)
        )

    def answering(self, base: Base, known: Dataset) -> Base | Quantised:
        """The form of ``base`` that is asked; GPTQ weighs its errors on the first texts of
        ``known``."""
        return _form(self.answers, base, known)

    def training(self, base: Base, known: Dataset) -> Base | Quantised:
        """The form of ``base`` that adapters are trained on."""
        return _form(self.trains, base, known)

    def require(self) -> None:
        """Raises MissingExtraError, with the line that installs it, where a package is missing."""
        for form in (self.answers, self.trains):
            extra = _extra(form)
            if any(find_spec(package) is None for package in _EXTRAS.get(extra, ())):
                raise MissingExtraError(f"engine {form!r}", extra)


HF = EngineSpec()
"""The full base through transformers."""
GGUF = EngineSpec("gguf", "gguf")
"""A user's own GGUF file, as it is."""
SERVED = EngineSpec("served", "served")
"""A model on a server."""
_RUNNERS: dict[str, type[Engine]] = {
    "hf": TransformersEngine,
    "gguf": LlamaCppEngine,
    "served": ServedEngine,
}


def engines_of(base: Base, engines: Sequence[EngineSpec]) -> Sequence[EngineSpec]:
    """Those of ``engines`` in which ``base`` answers: files, servers and siblings answer in one
    form, their own."""
    own = {GgufBase: GGUF, ServedBase: SERVED, Sibling: HF}.get(type(base))
    return (own,) if own else engines


def engine_spec(name: str) -> EngineSpec:
    """``FORM`` or ``FORM@FORM``: answered in the first, trained in the second. Raises RecipeError
    on an unknown one."""
    answers, at, trains = name.strip().partition("@")
    spec = EngineSpec(answers, trains if at else _trains_by_default(answers))
    for form in (spec.answers, spec.trains):
        if (
            form.startswith("gguf:")
            and form.removeprefix("gguf:") in TYPES
            and form == spec.answers
        ):
            continue
        if form.startswith("gguf:") and form == spec.trains:
            raise RecipeError(
                f"engine {name!r}: llama.cpp does not train adapters, name another form after the @"
            )
        if form not in ("hf", "bf16", *_BITS_AND_BYTES, *_GPTQ):
            raise RecipeError(f"engine {form!r} is unknown: choose of {', '.join(FORMS)}")
    return spec


def engine_specs(names: str) -> list[EngineSpec]:
    """The engines of a comma-separated list, each once; ``all`` stands for ``ALL``. Raises
    RecipeError."""
    each = [one for name in names.split(",") for one in (ALL if name.strip() == "all" else (name,))]
    return list(dict.fromkeys(map(engine_spec, each)))


def _trains_by_default(form: str) -> str:
    """A form that can be trained on is; others take adapters of the full base."""
    return "hf" if form == "bf16" or form.startswith("gguf:") else form


def _form(form: str, base: Base, known: Dataset) -> Base | Quantised:
    if form in _BITS_AND_BYTES:
        return Quantised(base, _BITS_AND_BYTES[form])
    if form in _GPTQ:
        bits, group, act = _GPTQ[form]
        calibration = Dataset.of(known.name, known.samples[:_CALIBRATING])
        return Quantised(base, Gptq(bits, calibration, group, act))
    return Quantised(base, Gguf(form.removeprefix("gguf:"))) if form.startswith("gguf:") else base


def _extra(form: str) -> str:
    if form in _BITS_AND_BYTES:
        return "bnb"
    return "gptq" if form in _GPTQ else form.partition(":")[0]
