"""How each recipe is made."""

from harness.builders._build import GRADES, build, read_lines

__all__ = ["GRADES", "build", "read_lines"]
