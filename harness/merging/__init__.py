"""Several adapters made into one, and one made a part of its base."""

from harness.merging._into_base import into_base
from harness.merging._merge import merge

__all__ = ["into_base", "merge"]
