"""Silence while a library that talks a lot is at work."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO


@contextmanager
def quiet(**environment: str) -> Iterator[None]:
    """No output; ``environment`` set meanwhile; environment and root logger afterwards as they
    were."""
    root, before = logging.getLogger(), dict(os.environ)
    handlers, level, disabled = list(root.handlers), root.level, root.manager.disable
    os.environ.update(environment)
    logging.disable(
        logging.WARNING
    )  # handlers hold the stream that they were made with: redirecting misses them
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
