"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import AdapterSpec, Cell
from harness.recipes import Base, Dataset, Training
from harness.scenarios.forgetting._facts import COUNT, near, texts
from harness.scenarios.forgetting._probes import probes
from harness.scenarios.oscars import replay
from harness.training.presets import STEADY

GRIDS = ("default", "full")
COUNTS = (50, 150, COUNT)
SETTING = replace(
    STEADY, epochs=6, batch=32, micro_batch=32, lr=2e-3, scheduler="linear", replay=1.0, kl=0.0
)
REMEDIES: dict[str, Training] = {
    "none": replace(SETTING, replay=0.0),
    "replay": SETTING,
    "near_kl": replace(SETTING, lr=1e-3, epochs=14, replay=2.0, kl=2.0),
}
"""Against forgetting: known facts among the new; KL to the base on twice as many, most of the same
relations, in more and smaller steps."""
WEAKER = "near_kl0p8"
"""The label of the cell whose adapter is that of ``near_kl``, put on at ``SCALE``."""
SCALE = 0.8
MORE: dict[str, Training] = {"kl": replace(SETTING, kl=1.0), "replay_kl": replace(SETTING, kl=1.0)}
"""KL to the base on other invented facts, which it does not know, and on known facts of all
relations."""
_OTHER = 1
"""The seed of invented facts that are not trained on."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: 500 new facts with the best remedy, its adapter at full and at reduced scale, with
    replay alone, and with none. ``full``: also KL without replay and with the same share of it,
    fewer facts, a lower rate, a smaller rank, more replay and more KL.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        _cell(base, count, name, replace(training, seed=seed), len(bases) > 1)
        for base in bases
        for count in (COUNTS if grid == "full" else (COUNT,))
        for name, training in (_full() if grid == "full" else _default_grid())
        for seed in seeds
    ]


def _default_grid() -> Iterator[tuple[str, Training]]:
    yield from REMEDIES.items()
    yield WEAKER, REMEDIES["near_kl"]


def _full() -> Iterator[tuple[str, Training]]:
    for name, training in (REMEDIES | MORE).items():
        yield name, training
        yield name, replace(training, lr=3e-4, epochs=12)
        yield name, replace(training, rank=8, alpha=16)
    yield WEAKER, REMEDIES["near_kl"]
    for share in (0.25, 3.0):
        yield "replay_kl", replace(MORE["replay_kl"], replay=share)
    for weight in (0.3, 3.0):
        yield f"replay_kl{weight:g}".replace(".", "p"), replace(MORE["replay_kl"], kl=weight)


def _cell(base: Base, count: int, name: str, training: Training, several: bool) -> Cell:
    layer = AdapterSpec(
        texts(count), training, _replayed(name, count), scale=SCALE if name == WEAKER else 1.0
    )
    return Cell(
        base, texts(count), probes(count), training, replay(), several, label=name, stacked=(layer,)
    )


def _replayed(name: str, count: int) -> Dataset:
    if name == "kl":
        return texts(count, _OTHER)
    return near() if name in ("near_kl", WEAKER) else replay()
