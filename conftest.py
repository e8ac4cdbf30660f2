"""Loads the harness's pytest plugin for suites and tests alike."""

pytest_plugins = ["harness.plugin"]
