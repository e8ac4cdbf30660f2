"""The shipped model: its training text, its training, and its measured abilities.

``python -m harness.pocket --help`` lists the commands.
"""
