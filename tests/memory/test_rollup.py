"""Roll-ups: several adapters become one that answers alike, and what is forgotten falls out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.engines import engine_for
from harness.errors import RecipeError
from harness.memory import Memory, RolledUp
from tests.memory.conftest import learn_all, paragraph, told

NAMES = ("bridge", "clock", "mill")


def active(memory: Memory) -> list[int]:
    return [row.number for row in memory.adapters() if row.state in ("active", "rolled_up")]


def likelihoods(memory: Memory, session: str = "") -> list[float]:
    """Of what the memory was told, with all adapters on."""
    stack = memory.prepare(session, "?", "always_on").adapters
    engine = engine_for(memory.base.path)
    with engine.with_stack(stack):
        scored = engine.log_likelihood([("", paragraph(name, 1)) for name in NAMES])
    return [one.total for one in scored]


@pytest.fixture
def three(memory: Memory) -> Memory:
    memory.configure(["training.lr=0.01", "training.epochs=4"])
    for name in NAMES:
        memory.add(told(name))
    learn_all(memory)
    return memory


def roll_up(memory: Memory, method: str, rank: int = 0, session: str = "") -> RolledUp:
    """Without measuring: the random model can write no questions."""
    return memory.rollup(method, rank, session, tolerated=1)


def test_concat_is_the_stack_in_one_file(three: Memory) -> None:
    before, apart = likelihoods(three), three.dump()
    with engine_for(three.base.path).with_stack([]):
        bare = [
            one.total
            for one in engine_for(three.base.path).log_likelihood(
                [("", paragraph(name, 1)) for name in NAMES]
            )
        ]
    assert bare != pytest.approx(before, rel=1e-2)
    done = roll_up(three, "concat")
    assert done.done
    assert done.adapters == 3
    assert likelihoods(three) == pytest.approx(before, rel=1e-4)
    assert [row.state for row in three.adapters()] == ["archived"] * 3 + ["rolled_up"]
    assert {row.state for row in three.passages()} == {"rolled_up"}
    assert three.verify() == []
    three.undo()
    assert three.dump() == apart
    assert likelihoods(three) == before


def test_svd_is_smaller_and_near_and_a_larger_rank_is_nearer(three: Memory) -> None:
    before = likelihoods(three)

    def distance(after: Sequence[float]) -> float:
        return sum(abs(a - b) for a, b in zip(after, before, strict=True))

    distances = {}
    for rank in (1, 2, 6):
        done = roll_up(three, "svd", rank)
        if rank == 2:  # that of each adapter
            assert done.bytes_after < done.bytes_before / 2.5
        distances[rank] = distance(likelihoods(three))
        three.undo()
    assert distances[1] > distances[2] > distances[6]
    assert distances[6] < 1e-2 * distances[1]


@pytest.mark.parametrize("method", ["ties", "distil"])
def test_every_method_makes_one_adapter_that_knows_all_passages(three: Memory, method: str) -> None:
    roll_up(three, method)
    (number,) = active(three)
    (row,) = [row for row in three.adapters() if row.number == number]
    assert set(row.passages) == {row.id for row in three.passages()}
    assert three.prepare("", "Who painted the mill number 1?", "lora").adapter_rows == [row]
    assert three.verify() == []


def test_what_is_forgotten_falls_out_of_a_roll_up_without_a_training(three: Memory) -> None:
    roll_up(three, "svd")
    folders = sorted((three.store.root / "adapter").glob("*"))
    done = three.forget("clock")
    assert done.relearnt == 0
    states = {row.name: row.state for row in three.adapters()}
    assert states == {
        "bridge": "active",
        "clock": "forgotten",
        "mill": "active",
        "svd": "forgotten",
    }
    assert three.next_work() is None
    assert sorted((three.store.root / "adapter").glob("*")) == folders
    assert {row.state for row in three.passages("mill")} == {"learnt"}
    assert three.verify() == []


def test_a_roll_up_goes_on_from_a_roll_up(three: Memory) -> None:
    roll_up(three, "concat")
    three.add(told("tower"))
    learn_all(three)
    before = likelihoods(three)
    roll_up(three, "concat")
    assert len(active(three)) == 1
    assert likelihoods(three) == pytest.approx(before, rel=1e-4)
    assert three.verify() == []
    three.forget(three.passages("tower")[0].id)
    states = {row.name: row.state for row in three.adapters() if row.number != 4}
    # the first roll-up knows nothing of the tower, so it is whole again
    assert states["tower"] == "forgotten"
    assert [row.state for row in three.adapters()] == [
        *["archived"] * 3,
        "rolled_up",
        "forgotten",
        "forgotten",
    ]


def test_sessions_are_rolled_up_by_themselves(three: Memory) -> None:
    for session in ("ann", "bob"):
        for name in NAMES[:2]:
            three.add(told(f"{name} of {session}"), session)
    learn_all(three)
    roll_up(three, "svd", session="ann")
    on = [row for row in three.adapters() if row.state in ("active", "rolled_up")]
    assert {row.session: row.name for row in on if row.state == "rolled_up"} == {"ann": "svd"}
    assert len([row for row in on if row.session == "bob"]) == 2
    assert len([row for row in on if row.session == ""]) == 3
    (whole,) = [row for row in on if row.session == "ann"]
    texts = {row.id: row.session for row in three.passages()}
    assert {texts[id] for id in whole.passages} == {"ann"}


def test_recall_that_cannot_be_measured_is_told_and_changes_nothing(three: Memory) -> None:
    before = three.dump()
    with pytest.raises(RecipeError, match="no chat template"):
        three.rollup("svd")
    with pytest.raises(RecipeError, match="'magic'"):
        three.rollup("magic")
    with pytest.raises(RecipeError, match="rank is 3"):
        three.rollup("distil", rank=3, tolerated=1)
    assert three.dump() == before


def test_a_damaged_roll_up_falls_back_to_its_parts(three: Memory) -> None:
    roll_up(three, "svd")
    folder: Path = next((three.store.root / "merged").glob("*"))
    (folder / "adapter_model.safetensors").unlink()
    assert len(three.verify(repair=True)) == 1
    assert len(active(three)) == 3
    assert three.next_work() is None
    assert three.verify() == []
