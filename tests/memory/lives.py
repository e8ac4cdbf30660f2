"""Starts a learner or a writer again and again, and kills it at random moments.

Run as ``python -m tests.memory.lives learner|writer FOLDER KILLS SEED LONGEST``. Libraries are
imported once, and each life is a fork of this process: so a life is spent on work, not on imports.
Of a writer, each turn and document that was acknowledged is a line on stdout.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from pathlib import Path

from harness.memory import Memory
from harness.memory.learner import work
from tests.memory.conftest import told


def learn(folder: Path) -> None:
    """As the learner process does."""
    work(folder, follow_stdin=False)


def write(folder: Path) -> None:
    """Turns and documents, one after the other; each is told when it has been kept."""
    with Memory.open(folder, write=True) as memory:
        for count in itertools.count():
            number = memory.say("joe", "user", f"turn of process {os.getpid()}, the {count}.")
            os.write(1, f"turn {number} {os.getpid()} {count}\n".encode())
            if count % 5 == 0:
                name = f"doc{os.getpid()}-{count}"
                memory.add(told(name, 1))
                os.write(1, f"document {name}\n".encode())


LIVES = {"learner": learn, "writer": write}


def main(role: str, folder: str, kills: str, seed: str, longest: str) -> None:
    import peft
    import torch
    import transformers

    assert peft and transformers
    torch.set_num_threads(1)
    rng = random.Random(int(seed))
    for number in range(int(kills)):
        process = os.fork()
        if not process:
            try:
                LIVES[role](Path(folder))
            except BaseException as error:
                os.write(2, f"life {number}: {error!r}\n".encode())
            os._exit(1)
        time.sleep(rng.uniform(0, float(longest)))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), f"life {number} ended by itself"


if __name__ == "__main__":
    main(*sys.argv[1:])
