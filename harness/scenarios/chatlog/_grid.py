"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base, Decoding, Training
from harness.scenarios import oscars
from harness.scenarios.chatlog._chat import dataset
from harness.scenarios.chatlog._probes import probes, style_probes
from harness.training.presets import CHAT2023, RUNNING

GRIDS = ("default", "full")
TURN = Decoding(do_sample=True, temperature=0.7, top_p=0.9)
"""How the next turn is written: greedy turns would be few and alike."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: the setting of 2023, a better one with and without replay, and one epoch under long
    names. ``full``: over epochs, rates, ranks and overlaps, under both kinds of names.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(
            base,
            dataset(name),
            probes(name),
            replace(training, seed=seed),
            oscars.replay(),
            len(bases) > 1,
            label=label,
            also=((style_probes(name), TURN),),
        )
        for base in bases
        for name, label, training in (_default_grid() if grid == "default" else _full())
        for seed in seeds
    ]


def _default_grid() -> Iterator[tuple[str, str, Training]]:
    yield "chat_short", "chat2023", CHAT2023
    yield "chat_short", "", RUNNING
    yield "chat_short", "", replace(RUNNING, replay=0.0, kl=0.0)
    yield "chat_long", "", replace(RUNNING, epochs=1)


def _full() -> Iterator[tuple[str, str, Training]]:
    yield from _default_grid()
    yield "chat_long", "chat2023", CHAT2023
    for name in ("chat_long", "chat_short"):
        for epochs in (3, 6, 12) if name == "chat_long" else (1, 6, 12):
            yield name, "", replace(RUNNING, epochs=epochs)
        for lr in (1e-4, 3e-4, 3e-3):
            yield name, "", replace(RUNNING, lr=lr)
        for rank in (8, 128):
            yield name, "", replace(RUNNING, rank=rank, alpha=2 * rank)
        yield name, "overlap128", replace(RUNNING, overlap=128)
