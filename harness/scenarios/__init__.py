"""What the suites train on and ask: datasets, probes, grids."""

from pathlib import Path

from harness.errors import RecipeError
from harness.experiments import folder
from harness.experiments.drift import drift_measures, drifting, forced, forced_measures
from harness.experiments.scenario import (
    Curves,
    Fetch,
    Finding,
    Line,
    Measures,
    Scenario,
    no_measures,
)
from harness.experiments.shares import trial
from harness.scenarios import (
    bias,
    book,
    chatlog,
    conversation,
    forgetting,
    format,
    grid,
    lies,
    oscars,
    parody,
    presets,
    resume,
    size,
    stacking,
    story,
    transfer,
)

_ALL = (
    oscars.SCENARIO,
    lies.SCENARIO,
    forgetting.SCENARIO,
    grid.SCENARIO,
    parody.SCENARIO,
    conversation.SCENARIO,
    presets.SCENARIO,
    resume.SCENARIO,
    size.SCENARIO,
    stacking.SCENARIO,
    chatlog.SCENARIO,
    story.SCENARIO,
    format.SCENARIO,
    transfer.SCENARIO,
    bias.SCENARIO,
    book.SCENARIO,
)
SCENARIOS: dict[str, Scenario] = {found.name: found for found in _ALL}
"""By name. A suite names its scenario in ``SCENARIO``."""


def scenario(name: str, suites: Path = Path("suites")) -> Scenario:
    """The scenario called ``name``: a registered one; else the folder ``name``, or that of this
    name below ``suites``.

    Raises:
        RecipeError: there is none.
        DataError: the folder holds something that cannot be used.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    for own in (Path(name), suites / name):
        if folder.is_scenario(own):
            return folder.scenario_in(own)
    known = ", ".join(SCENARIOS)
    raise RecipeError(
        f"scenario {name!r} is unknown: choose one of {known}, or a folder with {folder.FACTS} or"
        f" {folder.TEXT} (or {folder.EDITS})"
    )


__all__ = [
    "SCENARIOS",
    "Curves",
    "Fetch",
    "Finding",
    "Line",
    "Measures",
    "Scenario",
    "drift_measures",
    "drifting",
    "forced",
    "forced_measures",
    "no_measures",
    "scenario",
    "trial",
]
