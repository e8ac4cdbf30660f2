"""A memory opened for this process, a model loaded, and a server that listens."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from harness.engines import streaming_for
from harness.errors import RecipeError
from harness.memory import DEFAULTS, Memory, Settings
from harness.memory.ledger import FILE
from harness.server._app import application
from harness.server._guard import missing_token
from harness.server._limits import Limits
from harness.server._state import State

TOKEN = "LORA_MEMORY_TOKEN"
"""The environment variable with the token; its value is never printed or logged."""
_BACKLOG = 128


def serve(
    folder: Path,
    model: str = "",
    settings: Settings = DEFAULTS,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    learns: bool = True,
) -> None:
    """Serve the memory in ``folder``, which is made where there is none, until a signal.

    ``model`` is the base of a new memory, or where the base of an old one lies now. ``settings``
    are of a new one. ``port`` 0 takes a free one. ``learns`` False: no learner is started.

    Raises:
        RecipeError: another host than this machine without a token, or an address that cannot be
            had.
        StoreError: another process has the memory.
        ModelError: the base is another one, or cannot be loaded.
    """
    import uvicorn

    token = os.environ.get(TOKEN, "")
    if missing_token(host, token):
        raise RecipeError(
            f"--host {host} is open to other machines: set a token in the environment variable"
            f" {TOKEN}, or leave --host out"
        )
    with _listening(host, port) as listener, _memory(folder, model, settings) as memory:
        state = State(memory, streaming_for(memory.base.path), limits or Limits(), learns)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        print(f"{state.name} ({state.format}) with the memory {folder} at {address}", flush=True)
        config = uvicorn.Config(
            application(state, host, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise RecipeError(
            f"{host}:{port} cannot be had ({error.strerror or error}): choose another --port"
        ) from error


def _memory(folder: Path, model: str, settings: Settings) -> Memory:
    if (folder / FILE).exists():
        return Memory.open(folder, write=True, model=model)
    if not model:
        raise RecipeError(f"there is no memory at {folder}: name the model of a new one by --model")
    return Memory.create(folder, model, settings)
