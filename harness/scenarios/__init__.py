"""What the suites train on and ask: datasets, probes, grids."""

from collections.abc import Callable

from harness.cells import Cell
from harness.scenarios import oscars

SCENARIOS: dict[str, Callable[..., list[Cell]]] = {"oscars": oscars.cells}
"""Name -> cells(grid, bases, seeds). A suite names its scenario in ``SCENARIO``."""
