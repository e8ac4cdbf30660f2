"""What pytest finds in the plugin."""

from __future__ import annotations

import importlib
import pkgutil

import harness.plugin


def test_no_hook_is_left_out() -> None:
    """pytest looks for hooks in the package itself: one that only a module of it has is never
    called."""
    modules = [
        importlib.import_module(f"harness.plugin.{m.name}")
        for m in pkgutil.iter_modules(harness.plugin.__path__)
    ]
    hooks = {name for module in modules for name in vars(module) if name.startswith("pytest_")}
    assert hooks == {name for name in harness.plugin.__all__ if name.startswith("pytest_")}
