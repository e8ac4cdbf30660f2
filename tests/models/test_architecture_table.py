"""The table in docs/models.md says what is so: every cell of it is tried."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.models.architecture_table import ARCHITECTURES, FORMS, NEEDS, PAGE, Trial, rows_of

ROWS = rows_of(PAGE.read_text(encoding="utf-8"))
FIRST = 3
"""The first column that tells what works."""


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda each: each.kind)
def trial(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trial, tuple[str, ...]]:
    """A model of the architecture, and the line of the page about it."""
    folder: Path = tmp_path_factory.mktemp("architecture")
    number = ARCHITECTURES.index(request.param)
    return Trial(request.param, folder), ROWS[number]


def test_the_page_has_a_line_for_each_architecture() -> None:
    told = [(each.title, f"`{each.kind}`") for each in ARCHITECTURES]
    assert [line[:2] for line in ROWS] == told


@pytest.mark.parametrize("form", FORMS)
def test_it_works_or_says_what_the_page_says(
    form: str, trial: tuple[Trial, tuple[str, ...]]
) -> None:
    package = NEEDS.get(form)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    tried, line = trial
    assert tried.result(form) == line[FIRST + list(FORMS).index(form)]


def test_the_page_names_the_layers_that_get_an_adapter(
    trial: tuple[Trial, tuple[str, ...]],
) -> None:
    tried, line = trial
    assert tried.adapted() == line[FIRST - 1]
