"""How each recipe is made."""

from harness.builders._build import GRADES, LIKELIHOODS, build, read_lines

__all__ = ["GRADES", "LIKELIHOODS", "build", "read_lines"]
