"""The shipped model: the text it is made from, its training, and what it can do. See ``python -m
harness.pocket``."""
