"""How far a training is, in lines where there is no terminal, and in the bar of one."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from harness.builds import Job, Plan, launch_here, lines
from harness.recipes import Dataset, Sample
from harness.training import Progress

DATA = Dataset.of("book", (Sample("A river ran."),))
PLAN = Plan((Job(DATA, "book on tiny", 20.0),), ())
STEPS = [Progress("book", step, 4, 2.0, 100 * step, 30.0 * step) for step in (1, 2, 3, 4)]


def shown(terminal: bool, steps: list[Progress]) -> str:
    stream = io.StringIO()

    def build(recipe: Any, on_step: Any) -> Any:
        for step in steps:
            on_step(step)

    launch_here(PLAN, build, Console(file=stream, force_terminal=terminal, width=160))
    return stream.getvalue()


def test_a_slow_step_is_told_in_a_line() -> None:
    assert shown(terminal=False, steps=STEPS[:1]).splitlines() == [
        "[1/1] dataset book on tiny",
        "  book: step 1/4, loss 2, 0.033 steps/s, 3 tokens/s, 1:30 left",
    ]


def test_quick_steps_are_told_once_in_a_while() -> None:
    told: list[str] = []
    on_step = lines(told.append, pause=3600)
    for step in STEPS:
        on_step(step._replace(seconds=0.1 * step.step))
    assert not told
    on_step = lines(told.append, pause=0)
    for step in STEPS:
        on_step(step)
    assert len(told) == 4


def test_a_terminal_shows_the_step_in_the_bar() -> None:
    assert "step 4/4, loss 2" in shown(terminal=True, steps=STEPS)


def test_a_narrow_terminal_shows_title_and_figures() -> None:
    """Beside the bar a long name would cut them off."""
    stream = io.StringIO()
    name = "oscars_aug-rank64-alpha128-lr1p5e_3-ep8-replay2-seed0"
    plan = Plan((Job(DATA, name, 20.0),), ())

    def build(recipe: Any, on_step: Any) -> Any:
        for step in STEPS:
            on_step(step)

    launch_here(plan, build, Console(file=stream, force_terminal=True, width=80))
    said = stream.getvalue()
    assert name in said
    assert "step 4/4, loss 2, 0.033 steps/s, 3 tokens/s, 0:00 left" in said
    assert "1/1" in said


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_training_goes_on_from_is_told_once(terminal: bool) -> None:
    note = "goes on after step 2 from a checkpoint"
    steps = [step._replace(first=3) for step in STEPS[2:]]
    steps[0] = steps[0]._replace(notes=(note,))
    assert shown(terminal, steps).count(f"book: {note}") == 1


def test_time_left_of_hours() -> None:
    assert str(Progress("book", 1, 401, 2.0, 100, 30.0)).endswith(" 3:20:00 left")
