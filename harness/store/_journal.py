"""What is done so far of a build that asks someone else, so that a failure in the middle loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path


class Journal(MutableMapping[str, list[str]]):
    """Texts by prompt, each on disk as soon as it is there; what a crash cut off is not read again."""

    def __init__(self, path: Path) -> None:
        """One process at a time: the store's lock on the artefact is held meanwhile."""
        self.path = path
        self._held: dict[str, list[str]] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            try:
                prompt, texts = json.loads(line)
            except ValueError:
                break
            self._held[prompt] = texts
            whole += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab")
        self._stream.truncate(whole)

    def __setitem__(self, prompt: str, texts: list[str]) -> None:
        self._held[prompt] = texts
        self._stream.write(json.dumps([prompt, texts]).encode() + b"\n")
        self._stream.flush()

    def __getitem__(self, prompt: str) -> list[str]:
        return self._held[prompt]

    def __delitem__(self, prompt: str) -> None:
        raise TypeError("a journal is only added to")

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def close(self) -> None:
        """It stays on disk, for a rerun."""
        self._stream.close()
