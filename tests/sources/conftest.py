"""A server and a client, ended after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from source_client import Client, MakeClient, Serve, client_of
from source_server import RawServer, Script


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that runs the given script for each request."""
    with ExitStack() as ends:

        def start(script: Script, **options: Any) -> RawServer:
            server = RawServer(script, **options)
            ends.callback(server.close)
            return server

        yield start


@pytest.fixture
def client() -> Iterator[MakeClient]:
    """Make a client with the given settings of `http`."""
    with ExitStack() as ends:

        def make(**settings: Any) -> Client:
            return ends.enter_context(client_of(**settings))

        yield make
