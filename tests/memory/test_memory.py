"""What a memory keeps, learns and forgets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import DataError, HarnessError, StoreError
from harness.memory import Added, Memory
from harness.memory.documents import Document
from harness.recipes import ChatPrompt
from tests.memory.conftest import QUICK, learn_all, paragraph, told


def adapters_on(memory: Memory) -> list[int]:
    return [row.number for row in memory.adapters() if row.state in ("active", "rolled_up")]


def trained(memory: Memory) -> int:
    return len(list((memory.store.root / "adapter").glob("*")))


def test_unchanged_text_is_never_learnt_twice(memory: Memory) -> None:
    assert memory.add(told("bridge")).new == 3
    assert learn_all(memory) == 1
    assert memory.add(told("bridge")) == Added("bridge", new=0, unchanged=3, superseded=0)
    moved = Document("bridge", "\n\n".join(reversed(told("bridge").text.split("\n\n"))))
    assert memory.add(moved).new == 0
    assert [row.text for row in memory.passages()] == moved.text.split("\n\n")
    copy = replace(told("bridge"), name="copy")
    memory.add(copy)
    assert memory.next_work() is None
    assert {row.state for row in memory.passages("copy")} == {"learnt"}
    assert trained(memory) == 1


def test_new_passages_of_a_document_are_learnt_without_the_old_ones(memory: Memory) -> None:
    memory.add(told("bridge", 2))
    learn_all(memory)
    memory.add(told("bridge", 4))
    work = memory.next_work()
    assert work is not None
    assert [row.text for row in work.passages] == [paragraph("bridge", n) for n in (2, 3)]
    learn_all(memory)
    assert len(adapters_on(memory)) == 2


def test_an_edited_passage_is_relearnt_and_its_old_version_known_by_no_adapter(
    memory: Memory,
) -> None:
    memory.add(told("bridge"))
    learn_all(memory)
    old = memory.passages()[1]
    edited = told("bridge").text.replace("Mara Velin in 1701", "Jon Oor in 1799")
    added = memory.add(Document("bridge", edited))
    assert (added.new, added.unchanged, added.superseded) == (1, 2, 1)
    # at once, not only after the next training
    assert adapters_on(memory) == []
    learn_all(memory)
    (number,) = adapters_on(memory)
    knows = next(row.passages for row in memory.adapters() if row.number == number)
    assert old.id not in knows
    assert len(knows) == 3
    assert memory.passages(state="superseded") == [replace(old, state="superseded")]


def test_the_old_text_again_is_found_in_the_store(memory: Memory) -> None:
    memory.add(told("bridge"))
    learn_all(memory)
    memory.forget("bridge")
    assert memory.next_work() is None
    memory.add(told("bridge"))
    work = memory.next_work()
    assert work is not None
    assert memory.learn(work).found
    assert trained(memory) == 1


def test_a_forgotten_passage_takes_its_adapter_off_and_the_rest_is_learnt_again(
    memory: Memory,
) -> None:
    memory.add(told("bridge"))
    memory.add(told("clock"))
    learn_all(memory)
    gone = memory.passages("bridge")[0]
    done = memory.forget(gone.id[:8])
    assert (done.passages, done.adapters, done.relearnt) == (1, 1, 2)
    learn_all(memory)
    known = {id for row in memory.adapters() if row.state == "active" for id in row.passages}
    assert gone.id not in known
    assert {row.id for row in memory.passages(state="learnt")} == known


def test_a_corrected_passage_stands_where_the_old_one_stood(memory: Memory) -> None:
    memory.add(told("bridge"))
    learn_all(memory)
    before = memory.dump()
    old = memory.passages()[1]
    memory.correct(old.id[:10], "Nobody painted it.")
    kept = [row for row in memory.passages() if row.state != "superseded"]
    assert [row.text for row in kept][1] == "Nobody painted it."
    assert {row.state for row in kept} == {"pending"}
    assert memory.undo() == f"correct {old.id[:10]}"
    assert memory.dump() == before


def test_what_is_forgotten_while_it_is_learnt_is_not_put_on(memory: Memory) -> None:
    memory.add(told("bridge"))
    work = memory.next_work()
    assert work is not None
    assert {row.state for row in memory.passages()} == {"learning"}
    memory.forget(memory.passages()[0].id)
    learnt = memory.learn(work)
    assert learnt.adapter is None
    assert "changed" in learnt.reason
    assert adapters_on(memory) == []
    assert len(memory.passages(state="pending")) == 2


def test_a_training_that_diverges_fails_its_passages_until_it_is_repaired(memory: Memory) -> None:
    memory.configure(["training.lr=1e6", "training.epochs=9"])
    memory.add(told("bridge"))
    work = memory.next_work()
    assert work is not None
    learnt = memory.learn(work)
    assert learnt.adapter is None
    assert "diverged" in learnt.reason
    assert memory.next_work() is None
    assert len(memory.verify()) == 3
    memory.configure(["training.lr=1e-3"])
    memory.verify(repair=True)
    assert learn_all(memory) == 1
    assert memory.verify() == []


def test_turns_that_leave_the_window_become_passages_once(memory: Memory) -> None:
    memory.configure(["window=60"])
    for number in range(12):
        memory.say("joe", "user", f"My {number}. cat is called Mixel and sleeps on the stove.")
        memory.say("joe", "assistant", f"How nice, a cat by the name of Mixel, number {number}.")
    memory.prepare("joe", "What is my cat called?")
    held = [row.turns for row in memory.passages()]
    assert held[0][0] == 1
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(held))
    assert 2 < len(held) < 12
    texts = memory.passages()
    memory.prepare("joe", "What is my cat called?")
    assert memory.passages() == texts
    turned = memory.prepare("joe", "What is my cat called?", "window")
    rest = [turn for turn in memory.turns("joe") if turn.number > held[-1][1]]
    asked = [turn.text for turn in rest if turn.role == "user"]
    assert isinstance(turned.prompt, str)
    assert all(text in turned.prompt for text in asked[-2:])
    assert memory.next_work() is not None


def test_a_question_that_was_noted_is_asked_once(memory: Memory) -> None:
    memory.say("joe", "user", "Who is there?")
    turned = memory.prepare("joe", "Who is there?", "closed_book")
    assert not isinstance(turned.prompt, ChatPrompt)
    assert turned.prompt.count("Who is there?") == 1


def test_a_forgotten_session_is_gone_and_comes_back_whole(memory: Memory) -> None:
    memory.configure(["window=40"])
    for number in range(8):
        memory.say("joe", "user", f"Secret {number} is the plum tree behind the old mill house.")
        memory.say("joe", "assistant", f"I keep secret {number} about the plum tree.")
    memory.add(told("bridge"), session="joe")
    learn_all(memory)
    before = memory.dump()
    gone = memory.forget("joe")
    assert gone.turns == 16
    assert memory.turns("joe") == []
    assert memory.sessions() == []
    turned = memory.prepare("joe", "Where is the plum tree?")
    assert not turned.passages
    assert not turned.adapters
    memory.undo()
    assert memory.dump() == before


def test_twenty_sessions_at_once_see_nothing_of_each_other(memory: Memory) -> None:
    memory.configure(["window=30", "policy=lora_and_retrieval"])
    names = [f"guest{number}" for number in range(20)]

    def talk(name: str) -> None:
        for number in range(3):
            memory.say(name, "user", f"The door code of {name} is {name}-{number}, keep it well.")
            memory.say(name, "assistant", "I keep the door code well, it is safe with me.")
        memory.add(told(f"paper of {name}", 1), session=name)
        memory.prepare(name, f"What is the door code of {name}?")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(talk, names))
    memory.add(told("notice", 1))
    learn_all(memory)
    assert len(memory.adapters()) > len(names)
    for name in names:
        for other in (name, names[(names.index(name) + 7) % 20]):
            for policy in ("retrieval", "lora_and_retrieval", "always_on", "window"):
                turned = memory.prepare(name, f"What is the door code of {other}?", policy)
                assert {row.session for row in turned.passages} <= {"", name}
                assert {row.session for row in turned.adapter_rows} <= {"", name}
                if other != name:
                    assert f"{other}-" not in str(turned.prompt)
        assert memory.prepare(name, "?", "always_on").adapter_rows


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda m: m.say("", "user", "hello"), "no session"),
        (lambda m: m.say("a", "robot", "hello"), "'robot'"),
        (lambda m: m.say("a", "user", " "), "empty"),
        (lambda m: m.add(Document("nothing", "  \n")), "no text"),
        (lambda m: m.forget("nobody"), "'nobody'"),
        (lambda m: m.forget("%%%%%%%"), "'%%%%%%%'"),
        (lambda m: m.correct("abcdef0123", "text"), "'abcdef0123'"),
        (lambda m: m.undo(), "nothing to undo"),
        (lambda m: m.rollup(), "two or more"),
        (lambda m: m.prepare("a", "q", "magic"), "'magic'"),
        (lambda m: m.configure(["window=0"]), "window is 0"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(memory: Memory, wrong, line: str) -> None:  # type: ignore[no-untyped-def]
    before = memory.dump()
    with pytest.raises(HarnessError) as told:
        wrong(memory)
    assert line in str(told.value)
    assert "\n" not in str(told.value)
    assert memory.dump() == before
    assert memory.events() == []


def test_a_document_of_two_sessions_is_forgotten_by_its_session(memory: Memory) -> None:
    memory.add(told("bridge"), session="ann")
    memory.add(told("bridge"), session="bob")
    learn_all(memory)
    with pytest.raises(DataError, match="'ann', 'bob'"):
        memory.forget("bridge")
    memory.forget("bridge", session="ann")
    assert {row.session for row in memory.passages(state="learnt")} == {"bob"}
    assert memory.prepare("bob", "Who painted the bridge number 1?", "always_on").adapters


def test_a_reader_changes_nothing(memory: Memory) -> None:
    memory.add(told("bridge"))
    with Memory.open(memory.folder) as reader:
        assert reader.counts() == memory.counts()
        assert reader.prepare("joe", "Who painted the bridge number 1?").passages
        with pytest.raises(StoreError, match="for reading"):
            reader.add(told("clock"))
        with pytest.raises(StoreError, match="for reading"):
            reader.undo()


def test_settings_survive_and_unknown_ones_are_refused(model_folder: Path, tmp_path: Path) -> None:
    settings = QUICK.changed(["markers=relative", "training.lr=0.5", "wordings=2"], "--set")
    Memory.create(tmp_path / "m", str(model_folder), settings).close()
    with Memory.open(tmp_path / "m", write=True) as memory:
        assert memory.settings == settings
        memory.ledger.put("settings", '{"colour": "red"}')
    with pytest.raises(HarnessError, match="'colour'"):
        Memory.open(tmp_path / "m")


def test_marks_of_time_are_relative_in_the_context_and_absolute_in_what_is_trained(
    memory: Memory,
) -> None:
    memory.configure(["window=20", "markers=relative"])
    three_days_ago = datetime.now().astimezone().replace(hour=20) - timedelta(days=3)
    for number in range(6):
        text = f"My parrot is called Corvo, and it is {number} years old, as everybody knows."
        memory.say("joe", "user", text, three_days_ago)
        answer = "A parrot by the name of Corvo, how nice for you."
        memory.say("joe", "assistant", answer, three_days_ago)
    turned = memory.prepare("joe", "How old is the parrot Corvo?", "retrieval")
    assert turned.passages
    assert "[3 days ago, evening] user: My parrot" in str(turned.prompt)
    learn_all(memory)
    (row, *_) = memory.adapters()
    (recipe,) = memory.ledger.rows("SELECT recipe FROM adapters WHERE number = ?", (row.number,))
    assert f"[{three_days_ago:%Y-%m-%d}] user: My parrot" in recipe["recipe"]
    assert "days ago" not in recipe["recipe"]
    assert memory.verify() == []
