"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.cells import Cell
from harness.errors import RecipeError
from harness.recipes import Base, Decoding, Training
from harness.scenarios import oscars
from harness.scenarios.chatlog._chat import dataset
from harness.scenarios.chatlog._probes import probes, style_probes
from harness.training.presets import CHAT2023

GRIDS = ("telling", "full")
CHAT = Training(
    batch=4, micro_batch=4, epochs=3, lr=1e-3, scheduler="cosine", warmup_steps=10, cutoff=256, dropout=0.0, replay=1.0,
    kl=1.0,
)  # fmt: skip
"""For the shipped model: steps enough for a chat of this length, where the preset of 2023 takes six."""
TURN = Decoding(do_sample=True, temperature=0.7, top_p=0.9)
"""How the next turn is written: greedy turns would be few and alike."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown grid.

    ``telling``: the setting of 2023, a better one with and without replay, and one epoch under long names. ``full``:
    over epochs, rates, ranks and overlaps, under both kinds of names.
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
        for name, label, training in (_telling() if grid == "telling" else _full())
        for seed in seeds
    ]


def _telling() -> Iterator[tuple[str, str, Training]]:
    yield "chat_short", "chat2023", CHAT2023
    yield "chat_short", "", CHAT
    yield "chat_short", "", replace(CHAT, replay=0.0, kl=0.0)
    yield "chat_long", "", replace(CHAT, epochs=1)


def _full() -> Iterator[tuple[str, str, Training]]:
    yield from _telling()
    yield "chat_long", "chat2023", CHAT2023
    for name in ("chat_long", "chat_short"):
        for epochs in (3, 6, 12) if name == "chat_long" else (1, 6, 12):
            yield name, "", replace(CHAT, epochs=epochs)
        for lr in (1e-4, 3e-4, 3e-3):
            yield name, "", replace(CHAT, lr=lr)
        for rank in (8, 128):
            yield name, "", replace(CHAT, rank=rank, alpha=2 * rank)
        yield name, "overlap128", replace(CHAT, overlap=128)
