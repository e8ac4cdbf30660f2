"""What engines offer on this machine."""

from __future__ import annotations

from functools import cache

from harness.engines import EngineSpec, engine_for
from harness.errors import MissingExtraError
from harness.recipes import Base, ServedBase


@cache
def scales(base: Base, engine: EngineSpec) -> bool:
    """Whether adapters of ``base`` can be scaled.

    Of servers only llama-server can, so the server is asked.
    """
    if isinstance(base, ServedBase):
        return engine_for(base.path).capabilities.scales
    return engine.capabilities.scales


@cache
def uninstalled(engine: EngineSpec) -> str:
    """The line that installs ``engine``; empty where it is installed."""
    try:
        engine.require()
    except MissingExtraError as error:
        return str(error)
    return ""
