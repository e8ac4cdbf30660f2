"""A server with a memory: chat completions for any client, documents and memory by HTTP, a page."""

from harness.server._app import application
from harness.server._limits import Limits
from harness.server._run import TOKEN, serve

__all__ = ["TOKEN", "Limits", "application", "serve"]
