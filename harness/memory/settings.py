"""The settings of a memory, which lie in its ledger as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from harness.errors import RecipeError
from harness.memory.learnable import Learnable
from harness.memory.markers import MARKERS
from harness.memory.retrieval import RETRIEVALS
from harness.recipes import Training, changed
from harness.training.presets import PRESETS

_TRAINING = "training."
UNITS = ("document", "passage")
ROLLUPS = ("concat", "svd", "ties", "distil")
"""``concat``: the exact sum, whose ranks add up. ``svd``: its nearest update of a rank. ``ties``:
without the smaller half of each update, and without signs in conflict. ``distil``: a new adapter
that is trained on the text of all."""


@dataclass(frozen=True)
class Settings:
    """How a memory splits, learns and answers."""

    policy: str = "lora_and_retrieval"
    """How a question is answered; the policies are in ``harness.memory.policies``."""
    unit: str = "document"
    """What becomes one adapter: the new passages of a ``document``, or each ``passage``."""
    most_passages: int = 20
    """The most passages of one adapter: a longer document becomes several."""
    passage_size: int = 1000
    """The longest passage, in characters."""
    window: int = 1024
    """Tokens of the newest turns of a chat that stay in the context."""
    retrieval: str = "bm25"
    """``bm25``, ``embeddings`` or both (``fused``)."""
    markers: str = "none"
    """Marks of time before a passage of a chat: ``none``, ``relative`` or ``absolute``."""
    learnable: Learnable = field(default_factory=Learnable)
    """How a passage becomes training text."""
    writer: str = ""
    """The model that writes questions about passages, as for ``--model``; empty: the base."""
    preset: str = ""
    """The preset of trainings; empty: the one that fits the model."""
    training: tuple[str, ...] = ()
    """Changes to it, as ``rank=8``."""
    rollup_at: int = 0
    """Number of adapters of a session at which they are rolled up; 0: never."""
    rollup_method: str = "distil"
    """One of ``ROLLUPS``."""

    def __post_init__(self) -> None:
        for name, known in (
            ("unit", UNITS),
            ("markers", MARKERS),
            ("retrieval", RETRIEVALS),
            ("rollup_method", ROLLUPS),
        ):
            if getattr(self, name) not in known:
                raise RecipeError(
                    f"{name} {getattr(self, name)!r} is unknown: choose one of {', '.join(known)}"
                )
        for name, least in (
            ("most_passages", 1),
            ("passage_size", 100),
            ("window", 1),
            ("rollup_at", 0),
        ):
            if getattr(self, name) < least:
                raise RecipeError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if self.preset and self.preset not in PRESETS:
            raise RecipeError(
                f"preset {self.preset!r} is unknown: choose one of {', '.join(PRESETS)}"
            )

    def as_json(self) -> str:
        """JSON that ``of_json`` reads."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_json(cls, text: str) -> Settings:
        """The settings that ``as_json`` wrote; a setting that it does not name has its default.

        Raises:
            RecipeError: a setting is unknown here, or has no such value.
        """
        values: dict[str, Any] = json.loads(text)
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise RecipeError(
                f"the memory has the setting {unknown[0]!r}, which is unknown here: use the"
                " version of the harness that made it"
            )
        values["training"] = tuple(values.get("training", ()))
        values["learnable"] = Learnable(**values.get("learnable", {}))
        return cls(**values)

    def changed(self, settings: Sequence[str], option: str) -> Settings:
        """These settings with ``NAME=VALUE`` changes that ``option`` gave.

        A NAME may be one of ``Learnable``, or ``training.`` and one of ``Training``.

        Raises:
            RecipeError: a name is unknown or a value wrong.
        """
        of_learnable = {each.name for each in fields(Learnable)}
        own: list[str] = []
        inner: list[str] = []
        training = list(self.training)
        of_own = {each.name for each in fields(self)} - {"learnable", "training"}
        for setting in settings:
            name, equals, _ = setting.partition("=")
            known_name = name in of_own | of_learnable or name.startswith(_TRAINING)
            if not (equals and known_name):
                known = ", ".join(sorted(of_own | of_learnable))
                raise RecipeError(
                    f"{option} {setting}: write NAME=VALUE with NAME of {known}, or"
                    f" {_TRAINING}NAME of a training"
                )
            if name.startswith(_TRAINING):
                training.append(setting.removeprefix(_TRAINING))
            else:
                (inner if name in of_learnable else own).append(setting)
        changed(Training(), training, option)  # it says what is wrong
        learnable = changed(self.learnable, inner, option)
        return replace(changed(self, own, option), learnable=learnable, training=tuple(training))


DEFAULTS = Settings()
