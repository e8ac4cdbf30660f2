"""How a memory makes adapters: recipes of its passages, and the recipes back from its ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

from harness.builds import build
from harness.data.turns import dataset_in_chat
from harness.engines import HF, identify
from harness.errors import StoreError
from harness.experiments.for_model import AUTO, chat_for
from harness.experiments.usual import replayed, usual_preset, usual_replay
from harness.memory.learnable import Learnable, dataset
from harness.memory.pairs import Ask
from harness.memory.passages import Passage
from harness.memory.policies import AlwaysOn
from harness.memory.settings import Settings
from harness.memory.trials import LEARNT
from harness.models.loading import shipped_content
from harness.recipes import (
    BARE,
    Adapter,
    Base,
    Chat,
    Dataset,
    Lora,
    Merged,
    Quantised,
    Recipe,
    Sample,
    Training,
    changed,
    digest,
)
from harness.store import Artefact, Store
from harness.training import OnStep
from harness.training.presets import for_size, preset

WHOLE = replace(LEARNT, rank=32, alpha=64, lr=1e-3)
"""Of an adapter for several passages."""
_DISTIL = 1.0
"""Weight of the distillation where the settings ask for it and name no other."""


class Making:
    """Makes recipes for one base with the settings of one memory, and builds them."""

    def __init__(self, base: Base, settings: Settings, store: Store) -> None:
        self.base = base
        self.settings = settings
        self.store = store

    def fetch(self, recipe: Recipe, on_step: OnStep | None = None) -> Artefact:
        """The artefact of ``recipe``, built where it is not in the store."""
        return build(recipe, self.store, on_step=on_step)

    @cached_property
    def chat(self) -> Chat | None:
        """What stands before each question in the chat template; None without a template."""
        return chat_for(self.base, AUTO, BARE)

    @cached_property
    def trained(self) -> Base | Quantised:
        """The form of the base that adapters are trained on."""
        return HF.training(self.base, self._unused)

    @property
    def _unused(self) -> Dataset:
        # only GPTQ calibrates on a text, and a full base is never quantised by it
        return Dataset.of("none", (Sample("none"),))

    @cached_property
    def ask(self) -> Ask:
        """Who writes questions about passages, and who reads them."""
        writer = identify(self.settings.writer) if self.settings.writer else None
        return Ask.of(self.base, self.chat, self.fetch, writer)

    def dataset(
        self, pieces: Sequence[Passage], name: str, learnable: Learnable | None = None
    ) -> Dataset:
        """The training text of ``pieces``, by ``learnable`` or as the settings say."""
        learnable = learnable or self.settings.learnable
        return dataset(pieces, learnable, self.ask if learnable.writes else None, name)

    def adapter(self, text: Dataset) -> Adapter:
        """The recipe of an adapter for ``text``."""
        training = self.training(text)
        return Adapter(self.trained, text, training, self.replay(training))

    def training(self, text: Dataset) -> Training:
        """The setting of a training on ``text``."""
        name = self.settings.preset
        start = preset(name) if name else self._usual(text)
        training = changed(start, self.settings.training, "")
        if self.settings.learnable.distil and not training.distil:
            training = replace(training, distil=_DISTIL)
        return training

    def _usual(self, text: Dataset) -> Training:
        """The setting that fits the base and ``text``, which may be passages as they are."""
        asked = any(sample.prompt for sample in text.samples)
        if not asked or self.base.content != shipped_content():
            name = usual_preset(self.base, self.chat)
            return for_size(preset(name), len(text.samples))
        # as the suites on memory have measured it
        start = LEARNT if self.settings.unit == "passage" else WHOLE
        return (
            replace(start, replay=1.0, kl=1.0) if self.settings.policy == AlwaysOn.name else start
        )

    def replay(self, training: Training) -> Dataset | None:
        """The text that is replayed; None where the training replays none."""
        if not training.replay and training.init != "contrastive":
            return None
        return self._replayed

    @cached_property
    def _replayed(self) -> Dataset | None:
        which = usual_replay(self.base, self.chat)
        if not which:
            return None  # the recipe says that it needs one
        text = replayed(which, self.base, self.chat, self.fetch)
        return text if self.chat is None else dataset_in_chat(text, self.chat)

    def adapter_of(self, text: str, name: str) -> Adapter:
        """The recipe that ``as_json`` wrote ``text`` of; its digest must be ``name``.

        Raises:
            StoreError: it is another one: the ledger is damaged, or recipes have changed.
        """
        try:
            values = json.loads(text)
            samples = tuple(_sample(each) for each in values["samples"])
            settings = values["training"]
            settings["target_modules"] = tuple(settings["target_modules"])
            training = Training(**settings)
            found = Dataset.of(values["name"], samples)
            recipe = Adapter(self.trained, found, training, self.replay(training))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the recipe of adapter {name[:12]} cannot be read ({error}): `memory verify"
                " --repair` learns its passages again"
            ) from error
        if digest(recipe) != name:
            raise StoreError(
                f"the recipe of adapter {name[:12]} gives {digest(recipe)[:12]}: `memory verify"
                " --repair` learns its passages again"
            )
        return recipe


def as_json(recipe: Lora) -> str:
    """``recipe`` as the ledger keeps it; the parts of a roll-up are rows of their own."""
    if isinstance(recipe, Merged):
        values: dict[str, Any] = {
            "method": recipe.method,
            "rank": recipe.rank,
            "density": recipe.density,
            "seed": recipe.seed,
        }
    else:
        values = {
            "name": recipe.dataset.name,
            "samples": [asdict(sample) for sample in recipe.dataset.samples],
            "training": asdict(recipe.training),
        }
    return json.dumps(values, ensure_ascii=False)


def merged_of(text: str, name: str, parts: Sequence[Adapter]) -> Merged:
    """The roll-up that ``as_json`` wrote ``text`` of. Raises StoreError as ``adapter_of``."""
    try:
        recipe = Merged(tuple((part, 1.0) for part in parts), **json.loads(text))
    except (ValueError, TypeError) as error:
        raise StoreError(f"the roll-up {name[:12]} cannot be read ({error}): undo it") from error
    if digest(recipe) != name:
        raise StoreError(f"the roll-up {name[:12]} gives {digest(recipe)[:12]}: undo it")
    return recipe


def _sample(values: dict[str, Any]) -> Sample:
    chat = values.pop("chat", None)
    if chat is not None:
        chat = Chat(
            tuple((role, text) for role, text in chat["before"]),
            tuple((name, value) for name, value in chat["arguments"]),
        )
    return Sample(**values, chat=chat)
