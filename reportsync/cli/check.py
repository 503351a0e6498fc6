"""`check`: is everything ready, a line each with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reportsync.cli.context import Context
from reportsync.cli.options import APP, JSON
from reportsync.cli.output import put_json, put_wrapped
from reportsync.cli.signals import supervised
from reportsync.cli.tables import styled
from reportsync.errors import KeyRefused, StorageError
from reportsync.model import system_clock
from reportsync.redact import mask
from reportsync.stop import Stop
from reportsync.verdict import Findings, exit_code

if TYPE_CHECKING:
    from reportsync.service.check import Line


@click.command()
@APP
@click.option("--offline", is_flag=True, help="Make no request.")
@JSON
@click.pass_obj
def check(context: Context, names: tuple[str, ...], offline: bool, as_json: bool) -> int:
    """Check config, folder, ledger, clock and schedule, and make one real request per app.

    Each line that fails says what mends it. Writes nothing and may run beside the daemon. Exits 0 when
    all is well, 77 when a key is refused, 5 for disk or ledger, 3 when a server cannot be asked.
    """
    from reportsync.service.check import Line
    from reportsync.service.check import check as check_all
    from reportsync.service.world import chosen
    from reportsync.sources.daily import DailySource

    loaded = context.load()
    apps = chosen(loaded.config, names)

    def work(stop: Stop) -> int:
        lines = [Line("config", f"{loaded.path} is valid")]
        _show(context, lines[0], as_json)
        source = None if offline else DailySource(loaded.config.http, stop)
        try:
            for line in check_all(loaded.config, apps, system_clock, source):
                lines.append(line)
                _show(context, line, as_json)
        finally:
            if source is not None:
                source.close()
        code = _code(lines)
        if as_json:
            put_json({"version": 1, "checks": [_value(line) for line in lines], "exit": code})
        return code

    return supervised(work)


def _code(lines: list[Line]) -> int:
    errors = [line.error for line in lines if line.error is not None]
    storage = any(isinstance(error, StorageError) for error in errors)
    rejected = any(isinstance(error, KeyRefused) for error in errors)
    return exit_code(Findings(missing=bool(errors), storage=storage, rejected=rejected))


def _show(context: Context, line: Line, as_json: bool) -> None:
    if as_json:
        return
    mark = styled(context, "ok  ", "green") if line.ok else styled(context, "FAIL", "bold red")
    subject = f"{line.what} {line.app}" if line.app else line.what
    put_wrapped(f"{mark}  {subject}: {mask(line.text)}", hang=6)
    if line.hint:
        put_wrapped(f"      what to do: {mask(line.hint)}", hang=8)


def _value(line: Line) -> dict[str, object]:
    return {
        "what": line.what,
        "app": line.app,
        "ok": line.ok,
        "text": mask(line.text),
        "hint": line.hint,
    }
