"""No output from libraries that print and log a lot."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO


@contextmanager
def quiet(**environment: str) -> Iterator[None]:
    """No output within the block, in which ``environment`` is set.

    Afterwards the environment and the root logger are as they were.
    """
    root = logging.getLogger()
    variables = dict(os.environ)
    handlers = list(root.handlers)
    level = root.level
    disabled = root.manager.disable
    os.environ.update(environment)
    # Log handlers keep the stream that they were made with, so redirecting stderr misses them.
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
