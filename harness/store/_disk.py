"""What a full or read-only disk does, in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@contextmanager
def disk_of(root: Path) -> Iterator[None]:
    """Turn errors of the disk that a store at ``root`` is on into StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            remedy = "is full: free space, or choose another folder"
        elif error.errno in _NOT_WRITABLE:
            remedy = f"cannot be written ({error.strerror}): choose another folder"
        else:
            raise
        raise StoreError(f"store {root} {remedy}") from error
