"""Engines by name, and from a user's name of a model to its recipe and engine."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from harness.engines._engine import Capabilities, Engine
from harness.engines._llamacpp import LlamaCppEngine
from harness.engines._openai import ServedEngine
from harness.engines._openai_client import parse
from harness.engines._streaming import StreamingEngine
from harness.engines._transformers import TransformersEngine
from harness.errors import MissingExtraError, ModelError, RecipeError
from harness.models.gguf import TYPES, header
from harness.models.loading import base_of, located, telling
from harness.recipes import (
    DEQUANTISED,
    Base,
    BitsAndBytes,
    Dataset,
    Decoding,
    Dequantised,
    Gguf,
    GgufBase,
    Gptq,
    Quantised,
    ServedBase,
    Sibling,
    canonical,
    sha256,
)
from harness.store import file_sha256

_CALIBRATION_TEXTS = 128
"""For GPTQ, as in its paper (Frantar et al. 2022)."""
_BITS_AND_BYTES = {
    "nf4": BitsAndBytes("nf4"),
    "nf4dq": BitsAndBytes("nf4", double=True),
    "fp4": BitsAndBytes("fp4"),
    "fp4dq": BitsAndBytes("fp4", double=True),
    "int8": BitsAndBytes("int8"),
}
_GPTQ_VARIANTS = {"": (128, False), "g64": (64, False), "g32": (32, False), "act": (128, True)}
_GPTQ = {
    f"gptq{bits}{variant}": (bits, group, act)
    for bits in (4, 8)
    for variant, (group, act) in _GPTQ_VARIANTS.items()
}
"""Bits, group size and desc_act of each form."""
_EXTRAS = {
    "bnb": ("bitsandbytes",),
    "gptq": ("gptqmodel", "optimum"),
    "gguf": ("llama_cpp", "gguf"),
}

_TRAINABLE = ("hf", "bf16", *_BITS_AND_BYTES, *_GPTQ)
FORMS = (*_TRAINABLE, "gguf", *(f"gguf:{kind}" for kind in TYPES))
"""Every form that answers."""
ALL = ("hf", "nf4", "int8", "gptq4", "gguf:q4_0", "gguf:q5_1", "gguf:q8_0")
"""The forms of ``--engine all``."""


class EngineSpec(NamedTuple):
    """One engine as the user names it: ``gptq4``, ``gguf:q4_0``, ``nf4@hf``.

    The last means: answers in nf4, with adapters that were trained on the full base.
    """

    answers: str = "hf"
    trains: str = "hf"

    @property
    def name(self) -> str:
        """The name in ids, without characters that ``-k`` or a shell treats specially."""
        name = self.answers.replace(":", "_")
        if self.trains == _trains_by_default(self.answers):
            return name
        return f"{name}_from_{self.trains}"

    @property
    def runner(self) -> str:
        """The kind of engine: ``gguf``, ``served`` or ``hf``."""
        kind = self.answers.partition(":")[0]
        return kind if kind in ("gguf", "served") else "hf"

    @property
    def dtype(self) -> str:
        """Of the weights and of the computation, where transformers answers."""
        return "bfloat16" if self.answers == "bf16" else "float32"

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine, and whether there is a form to train on."""
        return _RUNNERS[self.runner].capabilities._replace(trains=self.trains != SERVED.trains)

    def answering(self, base: Base, known: Dataset) -> Base | Quantised:
        """The form of ``base`` that answers; GPTQ calibrates on the first texts of ``known``."""
        return _form(self.answers, base, known)

    def training(self, base: Base, known: Dataset) -> Base | Quantised:
        """The form of ``base`` that adapters are trained on."""
        if self.trains == GGUF.trains and isinstance(base, GgufBase) and base.trains:
            return Dequantised.of(base)
        return _form(self.trains, base, known)

    def require(self) -> None:
        """Raises MissingExtraError, with the command that installs it, for a missing package."""
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
    """Those of ``engines`` in which ``base`` answers.

    A GGUF file that cannot be dequantised, a model on a server and a sibling each have only one.
    """
    if isinstance(base, GgufBase):
        return engines if base.trains else (GGUF,)
    only = {ServedBase: SERVED, Sibling: HF}.get(type(base))
    return (only,) if only else [engine for engine in engines if engine.answers != GGUF.answers]


def engine_spec(name: str) -> EngineSpec:
    """``FORM`` or ``FORM@FORM``: answers in the first, is trained in the second.

    Raises RecipeError for an unknown form, and for one that cannot be trained after the ``@``.
    """
    answers, at, trains = name.strip().partition("@")
    spec = EngineSpec(answers, trains if at else _trains_by_default(answers))
    if spec.answers not in FORMS:
        raise RecipeError(f"engine {spec.answers!r} is unknown: choose of {', '.join(FORMS)}")
    if spec.answers == GGUF.answers and spec.trains in (GGUF.trains, HF.trains):
        return GGUF  # the dequantised file is its full form
    if spec.trains.startswith("gguf:"):
        raise RecipeError(
            f"engine {name!r}: llama.cpp does not train adapters, name another form after the @"
        )
    if spec.trains not in _TRAINABLE:
        raise RecipeError(f"engine {spec.trains!r} is unknown: choose of {', '.join(FORMS)}")
    return spec


def engine_specs(names: str) -> list[EngineSpec]:
    """The engines of a comma-separated list, each once; ``all`` means ``ALL``.

    Raises RecipeError.
    """
    expanded: list[str] = []
    for name in names.split(","):
        expanded += ALL if name.strip() == "all" else (name,)
    return list(dict.fromkeys(map(engine_spec, expanded)))


def _trains_by_default(form: str) -> str:
    """A form is trained on itself where that is possible, else adapters are of the full base."""
    return "hf" if form == "bf16" or form.startswith("gguf:") else form


def _form(form: str, base: Base, known: Dataset) -> Base | Quantised:
    if form == GGUF.answers:
        return base
    if isinstance(base, GgufBase):
        base = Dequantised.of(base)
    if form in _BITS_AND_BYTES:
        return Quantised(base, _BITS_AND_BYTES[form])
    if form in _GPTQ:
        bits, group, act = _GPTQ[form]
        calibration = Dataset.of(known.name, known.samples[:_CALIBRATION_TEXTS])
        return Quantised(base, Gptq(bits, calibration, group, act))
    if form.startswith("gguf:"):
        return Quantised(base, Gguf(form.removeprefix("gguf:")))
    return base


def _extra(form: str) -> str:
    """The extra (a group of packages) that ``form`` needs, or a word without packages."""
    if form in _BITS_AND_BYTES:
        return "bnb"
    return "gptq" if form in _GPTQ else form.partition(":")[0]


SERVED_PREFIXES = ("openai:", "openai-chat:")
"""Prefixes of models on a server."""
_MAGIC = b"GGUF"
_IDENTIFYING_PROMPTS = (
    "The capital of France is",
    "Question: Who wrote Hamlet?\nAnswer:",
    "1, 2, 3, 4,",
    "Once upon a time",
)
"""Their answers identify a served model."""
_SHORT = Decoding(max_new_tokens=16, stop=())
_STABLE_FIELDS = ("id", "root", "parent", "max_model_len", "meta")
"""Fields of a model in a server's list that do not change with time; ``created`` and vLLM's
``permission`` do."""


def served(model: str | Path) -> bool:
    """Whether ``model`` names a model on a server."""
    return str(model).startswith(SERVED_PREFIXES)


def engine_for(model: str | Path, dtype: str = "float32", device: str | None = None) -> Engine:
    """The engine of ``model``: a folder, a hub id, a ``.gguf`` file, ``openai:NAME@URL``, ...

    ``dtype`` and ``device`` (None: CUDA where there is one) are for folders and hub ids.

    Raises:
        ModelError: there is no such model, it cannot be read, or its server cannot be reached.
        RecipeError: after ``openai:`` there is no NAME@URL.
        MissingExtraError: a package of the engine is not installed.
    """
    model = located(model)
    text = str(model)
    if served(text):
        return ServedEngine(text)
    if text.endswith(".gguf"):
        return LlamaCppEngine(Path(text).expanduser())
    return TransformersEngine(base_of(model), dtype, device)


def streaming_for(model: str | Path, device: str | None = None) -> StreamingEngine:
    """``engine_for``, for a model whose answers are to come token by token.

    Raises ModelError also for a model on a server, whose answers come whole.
    """
    engine = engine_for(model, device=device)
    if isinstance(engine, TransformersEngine | LlamaCppEngine):
        return engine
    raise ModelError(f"{model} is on a server: give a folder, a hub id, or a .gguf file")


def identify(model: str | Path, asked: str = "") -> Base:
    """The recipe of ``model``: by the content of its files, or by what a server shows of it.

    ``asked`` is the day on which a server answers. Raises as ``engine_for``.
    """
    model = located(model)
    text = str(model)
    if served(text):
        return _on_server(text, asked)
    return _gguf_file(Path(text).expanduser()) if text.endswith(".gguf") else base_of(model)


def trainable(model: str | Path) -> Base:
    """``identify``, for a model on which adapters are to be trained.

    Raises ModelError also where that is not possible.
    """
    base = identify(model)
    if not base.trains:
        raise ModelError(
            f"nothing can be trained on {base.path}: give a folder, a hub id, or a .gguf file of"
            f" {', '.join(DEQUANTISED)}"
        )
    return base


def _gguf_file(file: Path) -> GgufBase:
    try:
        with file.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise ModelError(f"{file} is not a GGUF file: give one that llama.cpp loads")
        content = file_sha256(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}): give a .gguf file") from error
    metadata = header(file)
    names = (file.stem, str(metadata.get("general.name", "")))
    architecture = str(metadata.get("general.architecture", ""))
    return GgufBase(content, telling(names), str(file.resolve()), architecture)


def _on_server(text: str, asked: str) -> ServedBase:
    model = parse(text)
    engine = ServedEngine(model)
    entries = (entry for entry in engine.listed() if entry.get("id") == model.name)
    entry: dict[str, Any] = next(entries, {})
    # The keys are hashed: another name here would make every served model a new one.
    identity = {
        "name": model.name,
        "endpoint": "chat" if model.chat else "completions",
        "listed": {name: entry[name] for name in _STABLE_FIELDS if name in entry},
        "said": engine.answer(_IDENTIFYING_PROMPTS, _SHORT),
    }
    return ServedBase(sha256(canonical(identity)), model.name, str(model), asked)
