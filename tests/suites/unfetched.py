"""A fetch for measures that must not need an artefact."""

from __future__ import annotations

from typing import NoReturn

from harness.recipes import Recipe


def unfetched(recipe: Recipe) -> NoReturn:
    raise AssertionError(f"{type(recipe).__name__} was fetched")
