"""`sandbox`: a stand-in for the vendor's API, for trying things out and for drills."""

from __future__ import annotations

from pathlib import Path

import click

from reportsync.cli.context import Context
from reportsync.cli.output import put, say
from reportsync.cli.signals import supervised
from reportsync.model import instant_text, system_clock
from reportsync.sandbox import (
    FAULT_HELP,
    Request,
    Sandbox,
    load_apps,
    parse_faults,
    sample_apps,
    sample_config,
)
from reportsync.stop import Stop

_EPILOG = "\b\nFaults:\n" + FAULT_HELP.replace("\n\n", "\n \n")


@click.command(epilog=_EPILOG)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="P", help="Port; a free one else."
)
@click.option(
    "--apps",
    "apps_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own config, to rehearse it; else two made-up apps.",
)
@click.option("--faults", "spec", default="", metavar="SPEC", help="What goes wrong; see below.")
@click.pass_obj
def sandbox(context: Context, port: int, apps_file: Path | None, spec: str) -> int:
    """Run a stand-in for the vendor's API on loopback until Ctrl-C.

    Built from the vendor's documents: it checks signatures, knows when each report is generated, and
    misbehaves on request. Prints the config to use against it. Faults can be changed while it runs with
    PUT /_sandbox/faults.
    """
    faults = parse_faults(spec)
    apps = load_apps(apps_file) if apps_file else sample_apps(system_clock().date())

    def tell(request: Request) -> None:
        fault = f" [{request.fault}]" if request.fault else ""
        status = request.status if request.status is not None else "-"
        context.note(f"{instant_text(request.at)} {status} {request.app_id} {request.name}{fault}")

    def work(stop: Stop) -> int:
        with Sandbox(apps, faults=faults, port=port, on_request=tell) as running:
            put(sample_config(running.url, apps))
            say(f"listening on {running.url}; Ctrl-C ends it")
            while not stop.wait(3600):
                pass
        return stop.code

    return supervised(work)
