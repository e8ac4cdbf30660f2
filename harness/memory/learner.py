"""The learner: a process of its own that turns what is pending into adapters.

It yields the processors to others (``os.nice``), ends with the process that started it, and may be
killed at any moment: what it had committed stays, and the rest is pending again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Self

import psutil
from filelock import FileLock, Timeout

from harness.errors import HarnessError, RecipeError, StoreError
from harness.measure.machine import processors
from harness.memory.ledger import now
from harness.memory.memory import Memory
from harness.memory.rows import Work
from harness.training import Progress as TrainingProgress

LEARNING, IDLE, PAUSED, STOPPED = "learning", "idle", "paused", "stopped"
_LOCK = "learner.lock"
_BOARD = "learner.json"
_BOARD_BYTES = 2**16
"""The file has this size from the start, so that a full disk does not silence it."""
_POINTS = 500
"""Most points of a loss curve on the board."""
_EVERY = 0.2
"""Seconds between two notes of a training's progress."""
_LOOK = 0.5
"""Seconds after which the learner looks for work of its own accord."""
_RETRY = 5.0
"""Seconds after which it tries again on a full disk."""
_END = 2.0
"""Seconds that ``stop`` gives it to end by itself."""
_NICE = 10


@dataclass(frozen=True)
class Progress:
    """What the learner does now."""

    state: str = STOPPED
    """``learning``, ``idle``, ``paused`` or ``stopped``."""
    reason: str = ""
    """Why it is paused or stopped; of ``idle``, what became of the last passages."""
    document: str = ""
    session: str = ""
    passages: tuple[int, ...] = ()
    """Numbers of the passages that it learns."""
    step: int = 0
    steps: int = 0
    """Of the training; 0 while questions about the passages are written."""
    losses: tuple[tuple[int, float], ...] = ()
    """(step, loss in nats a token) of the training, thinned where it is long."""
    since: str = ""
    """When this state began."""
    process: int = 0


def progress(folder: Path) -> Progress:
    """What the learner of the memory in ``folder`` does, seen from any process."""
    for _ in range(5):
        try:
            values = json.loads((folder / _BOARD).read_bytes().rstrip(b"\0 "))
        except FileNotFoundError:
            return Progress()
        except (OSError, ValueError):  # it is being written
            time.sleep(0.01)
            continue
        values["passages"] = tuple(values["passages"])
        values["losses"] = tuple((step, loss) for step, loss in values["losses"])
        found = Progress(**values)
        if found.state != STOPPED and not psutil.pid_exists(found.process):
            return replace(found, state=STOPPED, reason="its process is gone")
        return found
    return Progress(reason="its progress cannot be read")


class Learner:
    """The learner process of one memory, as its parent sees it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        """Use ``start``."""
        self.folder = folder
        self.process = process

    @classmethod
    def start(cls, folder: Path, model: str = "") -> Learner:
        """Start the learner of the memory in ``folder``, which the caller may have open.

        It ends with the calling process. ``model`` is as for ``Memory.open``. What goes wrong in
        it is in ``progress``.
        """
        threads = str(max(1, processors() // 2))
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
        command = [sys.executable, "-m", "harness.memory", str(folder)]
        process = subprocess.Popen(
            [*command, model] if model else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        return cls(folder, process)

    def wake(self) -> None:
        """Tell it to look for work at once."""
        with suppress(OSError, ValueError):  # it has ended
            stdin = self._stdin
            stdin.write(b"\n")
            stdin.flush()

    def stop(self) -> None:
        """End it, within some two seconds. A training in between goes on at the next start."""
        with suppress(OSError, ValueError):
            self._stdin.close()
        try:
            self.process.wait(_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    @property
    def _stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Board:
    """Writes the progress where every process can read it, in a file of fixed size."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError where there is no room for the file."""
        try:
            # in place: a new file needs room, which a full disk has not
            self._file = os.open(folder / _BOARD, os.O_RDWR | os.O_CREAT, 0o600)
            os.pwrite(self._file, b" " * _BOARD_BYTES, 0)
        except OSError as error:
            raise StoreError(
                f"{folder / _BOARD} cannot be written ({error.strerror}): free some space"
            ) from error
        self.shown = Progress()

    def show(self, **changes: object) -> None:
        """Show the progress with ``changes``."""
        shown = replace(self.shown, **changes, process=os.getpid())  # type: ignore[arg-type]
        if shown.state != self.shown.state:
            shown = replace(shown, since=now())
        self.shown = shown
        data = json.dumps(asdict(shown)).encode()
        with suppress(OSError):  # the disk is full: the next note may fit
            os.pwrite(self._file, data.ljust(_BOARD_BYTES), 0)


def work(folder: Path, model: str = "", follow_stdin: bool = True) -> str:
    """Learn what is pending in the memory in ``folder``, for ever.

    With ``follow_stdin`` the process ends with its stdin. Returns why it cannot go on.
    """
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return f"the memory at {folder} has a learner already"
    board = Board(folder)
    woken = threading.Event()
    with lock:
        try:
            memory = Memory.open_to_learn(folder, model)
        except HarnessError as error:
            board.show(state=STOPPED, reason=str(error))
            return str(error)
        with memory:
            if follow_stdin:
                threading.Thread(target=_listen, args=(woken, board), daemon=True).start()
            board.show(state=IDLE, reason="")
            while True:
                if not _step(memory, board):
                    woken.wait(_RETRY if board.shown.state == PAUSED else _LOOK)
                    woken.clear()


def _step(memory: Memory, board: Board) -> bool:
    """Learn once. Returns whether there may be more to do at once."""
    try:
        todo = memory.next_work()
        if todo is None:
            if board.shown.state != IDLE:
                board.show(state=IDLE, step=0, steps=0, passages=(), losses=())
            return _roll_up(memory, board)
        board.show(
            state=LEARNING,
            reason="",
            document=todo.document,
            session=todo.session,
            passages=tuple(row.number for row in todo.passages),
            step=0,
            steps=0,
            losses=(),
        )
        learnt = memory.learn(todo, _Told(board, todo))
        board.show(reason=learnt.reason)
    except HarnessError as error:  # a full disk; everything else fails its passages
        board.show(state=PAUSED, reason=str(error))
        return False
    return True


def _roll_up(memory: Memory, board: Board) -> bool:
    try:
        return memory.roll_up_where_due()
    except RecipeError as error:  # it would come again: it is told once, and learning goes on
        board.show(reason=str(error))
        return False


class _Told:
    """Shows the steps of a training on the board, a few times a second."""

    def __init__(self, board: Board, todo: Work) -> None:
        self._board = board
        self._losses: list[tuple[int, float]] = []
        self._next = 0.0

    def __call__(self, training: TrainingProgress) -> None:
        self._losses.append((training.step, training.loss))
        if training.step < training.steps and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        every = max(1, len(self._losses) // _POINTS)
        self._board.show(
            step=training.step, steps=training.steps, losses=tuple(self._losses[::every])
        )


def _listen(woken: threading.Event, board: Board) -> None:
    """Each line on stdin wakes the learner. Its end means that the parent is gone."""
    for _ in sys.stdin.buffer:
        woken.set()
    board.show(state=STOPPED, reason="")
    os._exit(0)  # at once, also in the middle of a training: nothing is lost by that


def main(arguments: list[str]) -> int:
    """``python -m harness.memory FOLDER [MODEL]``."""
    with suppress(OSError):  # not every system lets a process be nicer
        os.nice(_NICE)
    folder, model = Path(arguments[0]), (arguments[1] if len(arguments) > 1 else "")
    reason = work(folder, model)
    print(f"error: {reason}", file=sys.stderr)
    return 1
