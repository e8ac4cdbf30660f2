"""The ledger: what is taken back, what survives, and what is said where it does not."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
from pathlib import Path

import pytest

from harness.errors import HarnessError, ModelError, StoreError
from harness.memory import Memory
from harness.memory.documents import Document
from harness.models.loading import SHIPPED
from harness.store import file_sha256
from tests.memory.conftest import QUICK, learn_all, paragraph, told


def adapter_files(memory: Memory) -> dict[str, str]:
    """Digest of each file of an adapter."""
    root = memory.store.root
    return {
        str(path.relative_to(root)): file_sha256(path)
        for path in sorted(root.glob("adapter/*/*"))
        if path.is_file()
    }


def weights_of(files: dict[str, str]) -> dict[str, str]:
    """Those of the weights alone: log and manifest have seconds in them."""
    return {name: digest for name, digest in files.items() if name.endswith(".safetensors")}


@pytest.mark.parametrize("seed", range(3))
def test_undo_restores_every_state_byte_for_byte(memory: Memory, seed: int) -> None:
    """Documents come, change and go, in between they are learnt; then all is taken back."""
    rng = random.Random(seed)
    before: list[tuple[str, dict[str, str]]] = []
    for number in range(12):
        state = memory.dump(), adapter_files(memory)
        name = rng.choice(("bridge", "clock", "mill"))
        kept = [row for row in memory.passages() if row.state not in ("superseded", "forgotten")]
        action = rng.choice(("add", "edit", "forget", "passage", "correct", "roll up"))
        try:
            if action == "add":
                memory.add(told(name, rng.randint(1, 4)), session=rng.choice(("", "joe")))
            elif action == "edit":
                memory.add(Document(name, paragraph(name, 0) + f"\n\nEdited {number} times."))
            elif action == "forget":
                memory.forget(name, "")
            elif action == "passage":
                memory.forget(rng.choice(kept).id)
            elif action == "correct":
                memory.correct(rng.choice(kept).id, f"Text number {number} of the correction.")
            else:
                memory.rollup("concat", tolerated=1)
        except (HarnessError, IndexError):  # there is nothing like that now
            assert memory.dump() == state[0]
            continue
        if memory.dump() != state[0]:
            before.append(state)
        if rng.random() < 0.5:
            learn_all(memory)
    assert len(before) > 4
    for dump, files in reversed(before):
        memory.undo()
        assert memory.dump() == dump
        assert files.items() <= adapter_files(memory).items()
    with pytest.raises(StoreError, match="nothing to undo"):
        memory.undo()
    assert memory.verify() == []


def test_what_was_learnt_before_an_undo_is_found_in_the_store(memory: Memory) -> None:
    memory.add(told("bridge"))
    memory.add(told("clock"))
    learn_all(memory)
    memory.undo()
    assert {row.state for row in memory.passages()} == {"pending"}
    work = memory.next_work()
    assert work is not None
    assert memory.learn(work).found


def test_turns_that_were_said_survive_an_undo(memory: Memory) -> None:
    memory.add(told("bridge"))
    memory.say("joe", "user", "hello")
    memory.undo()
    memory.say("joe", "assistant", "good day")
    assert [turn.number for turn in memory.turns("joe")] == [1, 2]


def test_a_second_writer_is_told_who_has_the_memory(memory: Memory) -> None:
    with pytest.raises(StoreError) as line:
        Memory.open(memory.folder, write=True)
    assert f"in use by process {os.getpid()}" in str(line.value)
    memory.close()
    Memory.open(memory.folder, write=True).close()


def test_a_memory_of_another_base_is_refused_in_one_line(memory: Memory) -> None:
    with pytest.raises(ModelError, match=r"was made on tiny, not on pocket"):
        Memory.open(memory.folder, model=str(SHIPPED))
    memory.ledger.put("model", "/nowhere/tiny")
    with pytest.raises(ModelError, match=r"is not at /nowhere/tiny.*--model"):
        Memory.open(memory.folder)


@pytest.mark.parametrize("folder", ["nothing", "full", "old"])
def test_folders_that_hold_no_memory_are_told(
    folder: str, memory: Memory, model_folder: Path, tmp_path: Path
) -> None:
    if folder == "nothing":
        with pytest.raises(StoreError, match="memory create"):
            Memory.open(tmp_path / "nothing")
    elif folder == "full":
        (tmp_path / "full").mkdir()
        (tmp_path / "full/letter.txt").write_text("Dear Joe")
        with pytest.raises(StoreError, match="not empty"):
            Memory.create(tmp_path / "full", str(model_folder))
        assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]
    else:
        with pytest.raises(StoreError, match="holds a memory already"):
            Memory.create(memory.folder, str(model_folder))
        memory.ledger.write("PRAGMA user_version = 99")
        with pytest.raises(StoreError, match="version 99"):
            Memory.open(memory.folder)


def test_a_full_disk_loses_no_turn_and_is_told_in_one_line(memory: Memory) -> None:
    """No file may grow any more, as on a full disk; then it may again."""
    memory.configure(["window=200"])
    for number in range(40):
        memory.say("joe", "user", f"turn {number}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in memory.folder.glob("ledger.sqlite*"))
    said = 40
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        with pytest.raises(StoreError) as line:
            for number in range(2000):
                assert memory.say("joe", "user", f"turn {40 + number} " + "x" * 200) == said + 1
                said += 1
        # no room for the turns that have left the window, but a reply goes on
        assert memory.prepare("joe", "Is anybody there?").prompt
        assert memory.passages() == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free some space" in str(line.value)
    assert "\n" not in str(line.value)
    memory.say("joe", "user", "the last one")
    numbers = [turn.number for turn in memory.turns("joe")]
    assert numbers == list(range(1, said + 2))
    assert memory.ledger.check() == []


def damaged(memory: Memory, start: int, length: int) -> Path:
    """Close the memory, and overwrite bytes of its ledger."""
    memory.close()
    file = memory.folder / "ledger.sqlite"
    data = bytearray(file.read_bytes())
    data[start : start + length] = random.Random(0).randbytes(len(data[start : start + length]))
    file.write_bytes(data)
    return memory.folder


def test_a_ledger_without_a_head_is_set_aside_and_what_was_learnt_is_found(
    memory: Memory, tmp_path: Path
) -> None:
    memory.add(told("bridge"))
    learn_all(memory)
    files = adapter_files(memory)
    folder = damaged(memory, 0, 4096)
    with pytest.raises(StoreError, match="damaged"):
        Memory.open(folder)
    (line,) = Memory.recover(folder)
    assert "set aside" in line
    assert list((folder / "aside").glob("*/ledger.sqlite"))
    with Memory.open(folder, write=True) as again:
        assert again.settings == memory.settings
        again.add(told("bridge"))
        work = again.next_work()
        assert work is not None
        assert again.learn(work).found
        assert adapter_files(again) == files
        assert again.verify() == []


def test_of_a_ledger_with_a_damaged_page_the_rest_is_saved(memory: Memory) -> None:
    names = ("bridge", "clock", "mill", "tower")
    for name in names:
        memory.add(told(name))
    learn_all(memory)
    learnt = {row.digest for row in memory.adapters()}
    for number in range(400):
        memory.say("joe", "user", f"turn {number} " + "y" * 300)
    memory.close()
    pages = (memory.folder / "ledger.sqlite").stat().st_size // 4096
    folder = damaged(memory, (pages * 3 // 4) * 4096, 4096)
    with Memory.open(folder) as reader:
        assert reader.ledger.check()
    assert Memory.recover(folder)
    with Memory.open(folder, write=True) as again:
        assert again.ledger.check() == []
        assert again.counts()["turns"] > 350
        again.verify(repair=True)
        learn_all(again)
        assert again.verify() == []
        assert {row.digest for row in again.adapters() if row.name in names} == learnt


def test_a_damaged_adapter_is_set_aside_left_out_and_learnt_again(memory: Memory) -> None:
    memory.add(told("bridge"))
    learn_all(memory)
    files = adapter_files(memory)
    folder = memory.folder
    memory.close()
    weights = next(folder.glob("store/adapter/*/adapter_model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with Memory.open(folder, write=True) as again:
        asked = "Who painted the bridge number 1?"
        turned = again.prepare("", asked, "lora_and_retrieval")
        assert turned.passages
        assert not turned.adapters
        assert {row.state for row in again.passages()} == {"pending"}
        learn_all(again)
        assert again.prepare("", asked, "lora_and_retrieval").adapters
        assert weights_of(adapter_files(again)) == weights_of(files)
        assert again.verify() == []


def test_verify_names_an_adapter_that_is_gone_and_repairs_it(memory: Memory) -> None:
    memory.add(told("bridge"))
    learn_all(memory)
    shutil.rmtree(next(memory.folder.glob("store/adapter/*")))
    (fault,) = memory.verify()
    assert "adapter 1 (bridge) is not in the store" in fault
    memory.verify(repair=True)
    assert {row.state for row in memory.passages()} == {"pending"}
    learn_all(memory)
    assert memory.verify() == []


def test_a_transaction_of_another_process_is_never_seen_half(memory: Memory) -> None:
    memory.add(told("bridge"))
    other = sqlite3.connect(memory.ledger.path)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE passages SET state = 'learnt'")
    assert {row.state for row in memory.passages()} == {"pending"}
    other.execute("ROLLBACK")
    other.close()


def test_settings_are_kept_beside_the_ledger(model_folder: Path, tmp_path: Path) -> None:
    with Memory.create(tmp_path / "m", str(model_folder), QUICK) as memory:
        memory.configure(["window=77"])
        assert '\\"window\\": 77' in (memory.folder / "memory.json").read_text()
