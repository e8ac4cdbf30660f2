"""Length, beginning, stopping and register of answers, beside those of the bare model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.builds import ANSWERS, read_lines
from harness.data.style import counted_interval
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.scenarios.format._datasets import marks
from harness.scenarios.format._forms import marked, opening, stopped, words
from harness.scenarios.format._probes import GROUPS
from harness.stats import Interval, cluster_bootstrap


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """For each group of prompts: ``words``, ``stops``; and with an adapter ``openings`` and
    ``register``.

    ``words`` is the mean length of the first line, ``stops`` the share that end it before the limit
    of tokens, ``openings`` the Jensen-Shannon divergence (bits) of the first two words from those
    of the bare model, and ``register`` the share with a mark of the trained shape, where it has
    marks.
    """
    own, base = (
        read_lines(fetch(cell.also_answers(which)[0]).path / ANSWERS) for which in (adapted, False)
    )
    found: dict[str, Interval] = {}
    for group in GROUPS:
        said, before = ([line for line in each if line["kind"] == group] for each in (own, base))
        found |= form(group, said, before if adapted else None, marks(cell.dataset.name))
    return found


def form(
    group: str, lines: Sequence[Line], bare: Sequence[Line] | None, marks: Sequence[str]
) -> dict[str, Interval]:
    """The figures of one group; ``bare`` is None for the bare model itself."""
    texts, facts = [line["answers"][0] for line in lines], [line["fact"] for line in lines]
    found = {
        f"words_{group}": cluster_bootstrap(
            [float(words(text)) for text in texts], facts, within=(0, math.inf)
        ),
        f"stops_{group}": cluster_bootstrap([float(stopped(text)) for text in texts], facts),
    }
    if bare is not None:
        known = Counter(opening(line["answers"][0]) for line in bare)
        found[f"openings_{group}"] = counted_interval(
            [Counter([opening(text)]) for text in texts], known
        )
    if bare is not None and marks:
        found[f"register_{group}"] = cluster_bootstrap(
            [float(marked(text, marks)) for text in texts], facts
        )
    return found
