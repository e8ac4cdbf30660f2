"""Several adapters made into one."""

from harness.merging._merge import merge

__all__ = ["merge"]
