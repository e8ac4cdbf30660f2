"""Scalars of each step as TensorBoard event files, while a training runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import MissingExtraError, StoreError
from harness.training import OnStep, Progress

_FLUSH_SECONDS = 5


def check_live() -> None:
    """Raises MissingExtraError where the library of ``--live`` is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("tensorboardX (--live)", "live") from error


@contextmanager
def live(folder: Path | None, on_step: OnStep | None) -> Iterator[OnStep | None]:
    """``on_step``, which also writes the scalars of each step into ``folder``; None writes none.

    A training that goes on from a checkpoint writes a further file there, from which TensorBoard
    shows its steps instead of those after the checkpoint.

    Raises:
        MissingExtraError: the library is not installed.
        StoreError: ``folder`` cannot be written.
    """
    if folder is None:
        yield on_step
        return
    check_live()
    from tensorboardX import SummaryWriter

    writer: SummaryWriter | None = None
    before: Progress | None = None

    def write(progress: Progress) -> None:
        nonlocal writer, before
        if writer is None:
            writer = _open(folder, progress.first)
        writer.add_scalar("loss", progress.loss, progress.step)
        writer.add_scalar("learning_rate", progress.lr, progress.step)
        if rate := _rate(before, progress):
            writer.add_scalar("tokens_per_second", rate, progress.step)
        before = progress
        if on_step:
            on_step(progress)

    def _open(folder: Path, first: int) -> SummaryWriter:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # a name holds only the second: a run that goes on at once would overwrite the file
            suffix = f".{time.time_ns()}"
            return SummaryWriter(
                str(folder), purge_step=first, flush_secs=_FLUSH_SECONDS, filename_suffix=suffix
            )
        except OSError as error:
            raise StoreError(
                f"--live {folder} cannot be written ({error.strerror}): give another folder"
            ) from error

    try:
        yield write
    finally:
        if writer:
            writer.close()


def _rate(before: Progress | None, now: Progress) -> float:
    """Tokens per second of one step; 0 where the step before is not known."""
    if before is None:
        return now.tokens / now.seconds if now.step == 1 else 0.0
    return (now.tokens - before.tokens) / (now.seconds - before.seconds)
