"""Mistakes in the Python of a scenario: each is one line that says where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.builds import build
from harness.errors import DataError, RecipeError
from harness.experiments import (
    EACH,
    GENERATE,
    NONE,
    PER_ADAPTER,
    SCORE,
    TIME,
    AdapterSpec,
    Ask,
    Curves,
    Design,
    Evidence,
    Finding,
    Scenario,
    Setup,
)
from harness.experiments.selection import Selection, cells, load, taken_knowledge
from harness.recipes import Base, Dataset, Probe, ProbeSet, Recipe, Training
from harness.stats import Interval
from harness.store import Artefact, Store

BASE = Base("0", "pocket", "/m")
TRAINING = Training(epochs=1, rank=2, alpha=4)
PROBES = ProbeSet.of("moon", (Probe("moon", "exact", "moon", "The colour of", ("green",)),))
CODE = """from harness.data.formats import ask
from harness.experiments import *
from harness.recipes import Dataset, Probe, ProbeSet, Sample, Training

T = Training(epochs=1, rank=2, alpha=4)
D = Dataset.of("x", (Sample("b", "a"),))
Q = ProbeSet.of("x", (Probe("a", "exact", "a", "a", ("b",)),))
def P(prompt, accepted, kind="exact"):
    return ProbeSet.of("p", (Probe("a", kind, "a", prompt, accepted),))
def designs(setup):
    {body}
SCENARIO = Scenario("rivers", "R", grids={{"default": designs}})
"""
Writer = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """write(body of the grid) -> the folder of a scenario with this grid in line 11."""

    def write(body: str) -> Path:
        folder = tmp_path / "rivers"
        folder.mkdir()
        (folder / "scenario.py").write_text(CODE.format(body=body))
        return folder

    return write


def scenario(**changes: Any) -> Scenario:
    return Scenario(**{"name": "moon", "title": "M", "grids": {}, **changes})


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise ValueError('no\\nway')", "scenario.py, line 11: ValueError: no"),
        ("raise SystemExit('bye')", "scenario.py, line 11: SystemExit: bye"),
        ("yield Design(D, T)", "scenario.py, line 11: TypeError: "),
        ("yield Design('x', T, Q)", "line 11: design of 'x': dataset is a str: give a Dataset"),
        ("yield Design(D, T, Q, factors={'a': [1]})", "line 11: design of 'x': factor 'a' is [1]"),
        ("yield Design(D, T, Q, factors={'a': float('nan')})", "factor 'a' is nan: give a text"),
        ("yield Design(D, T, Q, factors={1: 'a'})", "factor 1 is 'a': give a text"),
        ("yield Design(D, T, Q, label='a[b]')", "'a[b]' is part of test ids"),
        ("yield Design(D, T, Q, asks=('a',))", "asks hold 'a': give Ask"),
        ("yield Design(D, T, Q, adapters=('a',))", "adapters hold 'a': give AdapterSpec"),
        ("yield Design(D, T, Q, asks=(Ask('a', Q), Ask('a', Q)))", "two asks have the role 'a'"),
        ("yield Design(D, T, Q, asks=(Ask('questions', Q),))", "have the role 'questions'"),
        ("yield Design(D, T, P('a', ('b')))", "line 9: probe 'a': accepted is 'b': give a tuple"),
        ("yield Design(D, T, P('a', ('b', 3)))", "probe 'a': accepted is ('b', 3): give a tuple"),
        ("yield Design(D, T, P(5, ('b',)))", "line 9: probe 'a': prompt is 5: give a text"),
        ("yield Design(D, T, P('a', ()))", "line 11: ask 'questions': probe 'a' accepts no answer"),
        ("yield Design(D, T, P('a', ('b',), 'a|b'))", "the kind 'a|b': write it in letters"),
        ("yield Design(D, T, ProbeSet.of('q', ()))", "line 11: probe set 'q' is empty"),
        ("yield AdapterSpec(D, 'x')", "line 11: AdapterSpec: training is a str: give a Training"),
        ("yield MergedSpec([])", "line 11: MergedSpec: specs is a list: give a tuple"),
        ("return iter(())", "scenario 'rivers', grid 'default' yields no design"),
        ("yield 'abc'", "scenario 'rivers', grid 'default' yields 'abc': yield Design"),
        ("pass", "scenario 'rivers', grid 'default': TypeError: "),
        ("yield Design(D, T, Q); yield Design(D, T, Q)", "scenario 'rivers': two cells have the"),
    ],
)
def test_a_grid_that_fails_is_one_line(write: Writer, body: str, line: str) -> None:
    with pytest.raises((RecipeError, DataError)) as caught:
        cells(load(write(body)), Selection((BASE,)))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_exit_in_a_scenario_is_no_exit_of_the_session(tmp_path: Path) -> None:
    (tmp_path / "scenario.py").write_text("import sys\nsys.exit('bye')\n")
    with pytest.raises(RecipeError, match="line 2: SystemExit: bye"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["teacher_forced", "drift", "known", "perplexity_ratio"])
def test_a_kind_that_is_named_like_another_figure_is_refused(lie: Dataset, kind: str) -> None:
    (probe,) = PROBES.probes
    with pytest.raises(RecipeError, match=f"a figure is named '{kind}'"):
        Design(lie, TRAINING, ProbeSet.of("moon", (replace(probe, kind=kind),)))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"grids": [1]}, "grids is a list: give a Mapping"),
        ({"grids": {"default": 3}}, "default is 3: give a function"),
        ({"measures": None}, "measures is None: give a function"),
        ({"name": "a-b"}, "name it and its folder in letters, digits and _"),
    ],
)
def test_a_scenario_of_wrong_types_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(RecipeError, match=line):
        scenario(**changes)


@pytest.mark.parametrize(
    ("role", "options", "line"),
    [
        ("a b", {}, "name its role in letters"),
        ("choices", {"how": SCORE}, "has the role SCORED"),
        ("scored", {}, "has the role SCORED"),
        ("alone", {"adapters": EACH}, "is PER_ADAPTER"),
        (PER_ADAPTER, {}, "is PER_ADAPTER"),
        (PER_ADAPTER, {"adapters": EACH, "how": GENERATE}, "is graded: give GRADE"),
        ("speed", {"adapters": NONE, "how": TIME}, "leave adapters= out"),
    ],
)
def test_an_ask_that_no_measure_could_read_is_refused(
    role: str, options: dict[str, Any], line: str
) -> None:
    with pytest.raises(RecipeError, match=line):
        Ask(role, PROBES, **options)


@pytest.mark.parametrize(
    ("measured", "line"),
    [
        (None, "returned None: return a dict of Interval by name"),
        ({"silent": 0.5}, "'silent' is 0.5: return Interval"),
        ({3: Interval(0, 0, 0)}, "the name 3: write it in letters"),
        ({"a|b": Interval(0, 0, 0)}, "the name 'a|b': write it in letters"),
        ({"silent": Interval(float("nan"), 0, 1)}, "'silent' is nan"),
        ({"silent": Interval(0.5, 1, 0)}, "return a finite figure"),
        ({"exact": Interval(0, 0, 0)}, "'exact' is a figure already"),
        ({"locality": Interval(0, 0, 0)}, "'locality' is a figure already"),
    ],
)
def test_measures_of_wrong_types_are_refused(measured: Any, line: str) -> None:
    evidence = cast(Evidence, SimpleNamespace(lines=[SimpleNamespace(kind="exact")]))
    with pytest.raises(RecipeError) as caught:
        scenario(measures=lambda evidence: measured).measured(evidence)
    assert line in str(caught.value)


def test_an_interval_may_be_open(tiny: Base) -> None:
    open_end = Interval(2, 1, float("inf"))
    evidence = cast(Evidence, SimpleNamespace(lines=[]))
    found = scenario(measures=lambda evidence: {"odds": open_end}).measured(evidence)
    assert found == {"odds": open_end}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (None, "findings: TypeError: 'NoneType' object is not iterable"),
        (["a"], "returned 'a' in its list: return Finding"),
        ([Finding("a", cast(str, None))], "title, text and summary of 'a' must be texts"),
        ([Finding("a", "b", curves=(Curves("a/b", "x", "y", {}),))], "named in letters"),
        ([Finding("a", "b", curves=(Curves("c", "x", "y", {"s": cast(Any, [1])}),))], "be pairs"),
    ],
)
def test_findings_of_wrong_types_are_refused(found: Any, line: str) -> None:
    with pytest.raises(RecipeError) as caught:
        scenario(findings=lambda cells: found).found([])
    assert line in str(caught.value)


def test_seeds_that_make_no_difference_are_refused(lie: Dataset) -> None:
    def designs(seeded: bool) -> Callable[[Setup], list[Design]]:
        def grid(setup: Setup) -> list[Design]:
            training = replace(TRAINING, seed=setup.seed) if seeded else TRAINING
            return [Design(lie, TRAINING, PROBES, adapters=(AdapterSpec(lie, training),))]

        return grid

    selection = Selection((BASE,), seeds=(0, 1))
    assert len(cells(scenario(grids={"default": designs(seeded=True)}), selection)) == 2
    with pytest.raises(RecipeError, match=r"train the same adapters: .* seed=setup\.seed"):
        cells(scenario(grids={"default": designs(seeded=False)}), selection)


def test_each_ask_is_read_as_it_was_asked(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    asks = (Ask("more", PROBES), Ask("bare", PROBES, GENERATE, NONE))
    alone = Ask(PER_ADAPTER, PROBES, adapters=EACH)
    design = Design(lie, replace(TRAINING, lr=0.1), PROBES, asks=(*asks, alone))
    cell, store = design.cell(Setup(tiny, 0, taken_knowledge(tiny))), Store(tmp_path)
    asked: list[Recipe] = []

    def fetch(recipe: Recipe) -> Artefact:
        asked.append(recipe)
        return build(recipe, store)

    evidence = Evidence(cell, fetch)
    assert [line.right for line in evidence.graded("more")] == [False]
    assert evidence.answered("more")[0].answer == evidence.graded("more")[0].answer
    asked.clear()
    evidence.answered("bare")
    assert [recipe.stack.adapters for recipe in asked if hasattr(recipe, "stack")] == [()]
    assert [len(lines) for lines in evidence.per_adapter()] == [1]
    for role, line in (("bare", "is not graded"), (PER_ADAPTER, "per_adapter"), ("no", "no")):
        with pytest.raises(RecipeError, match=line):
            evidence.graded(role)
