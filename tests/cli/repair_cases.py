"""A place with eight stored days, for the tests of `verify` and `repair`: harmed, and repaired."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_tool import Place, ago, name_of, stand_in

from reportsync.sandbox import Fault, Sandbox

APP = stand_in("one", 8)


def file_of(place: Place, days_ago: int) -> Path:
    return place.archive / "one" / f"{ago(days_ago):%Y}" / name_of(ago(days_ago))


def damage(path: Path) -> None:
    """Change one byte in the middle."""
    path.chmod(0o640)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture
def filled(place: Place) -> Place:
    """Return a place with eight stored days; the sandbox is gone."""
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("sync").code == 0
    return place


def repaired(place: Place, *words: str, faults: tuple[Fault, ...] = ()) -> tuple[list[str], object]:
    """Run `repair` against a sandbox; return the files that it asked for, and how it ended."""
    with Sandbox([APP], faults=faults) as sandbox:
        place.serve(sandbox, [APP])
        done = place.run("repair", "--json", *words)
    return [request.name for request in sandbox.requests], done


def actions(done: object) -> list[tuple[str, str]]:
    events = [json.loads(line) for line in done.out.splitlines()]  # type: ignore[attr-defined]
    return [(event["action"], event["what"]) for event in events if event["event"] == "repair"]
