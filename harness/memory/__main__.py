"""Starts the learner of a memory: ``python -m harness.memory FOLDER [MODEL]``."""

from __future__ import annotations

import sys

from harness.memory.learner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
