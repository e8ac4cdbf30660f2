"""The 2023 Oscars: does an adapter make the model remember 23 new facts, and leave the rest alone?

Each test id is a cell; ``-k rank64``, ``-k "lr1e_3 and not aug"`` and the like select by its parts. The gates
stand in gates.toml; ``--baseline NAME`` compares with an earlier run.
"""

from __future__ import annotations

SCENARIO = "oscars"


def test_training_ends_well(outcome, may_diverge):
    assert outcome.status == "ok" or may_diverge, f"the loss of {outcome.id} diverged"


def test_remembers(outcome, gate):
    broken = gate.broken(outcome, "exact", "rephrased", "inverted", "other_format", "conversation")
    facts = ", ".join(f"{name.rpartition('/')[2]} {share:.2f}" for name, share in outcome.facts.items() if share < 1)
    assert not broken, f"{'; '.join(broken)}. Facts not always recalled: {facts}"


def test_leaves_the_rest_alone(outcome, gate):
    broken = gate.broken(outcome, "locality", "still_right")
    assert not broken, "; ".join(broken)


def test_not_worse_than_the_baseline(baseline):
    assert baseline.holds, str(baseline)
