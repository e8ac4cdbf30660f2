"""``python -m harness``: what is not a test."""

# PYTHON_ARGCOMPLETE_OK

from __future__ import annotations

import sys

from harness.cli import main

if __name__ == "__main__":
    sys.exit(main())
