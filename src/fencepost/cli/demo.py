"""`fencepost demo`: a service, a fleet, and the alerts as they come; nothing to configure, nothing left behind."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.options import JsonOption
from fencepost.cli.output import printable, say
from fencepost.cli.served import ServiceEnded
from fencepost.cli.simulate import RATE, span_of
from fencepost.simulation.live import LivePlan

FINDINGS = 1
UNWATCHED = timedelta(minutes=1)


def register(app: typer.Typer) -> None:
    app.command(short_help="See it work: a service, a simulated fleet, and the alerts as they come.")(demo)


def demo(
    lasting: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long it goes on; by default until Ctrl-C on a terminal, and else for PT1M.",
        ),
    ] = None,
    devices: Annotated[int, typer.Option("--devices", metavar="N", min=1, help="How many devices.")] = 50,
    rate: Annotated[
        float, typer.Option("--rate", metavar="R", help="How many messages a second they send together.")
    ] = RATE,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="PORT",
            min=0,
            max=65535,
            help="The port of the service; 0 is 8443, or any free one.",
        ),
    ] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="DIR", help="Keep the data in this folder, which is empty or not there."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """
    Run a service and a simulated fleet on this computer, and show the alerts as they come.

    The service runs on a data folder of its own, which is removed at the end. Incidents of all five alerts
    strike the devices. Exits with 1 if the alerts are not those that the incidents call for.

    \b
    Examples:
      fencepost demo
      fencepost demo --for PT2M --devices 500 --rate 200
    """
    from fencepost.cli.demo_run import run_demo

    plan = LivePlan(devices=devices, rate=rate)
    plan.check()
    is_terminal = sys.stdout.isatty()
    span = span_of(lasting, "--for") if lasting is not None else None if is_terminal else UNWATCHED
    try:
        is_right = run_demo(plan, port=port, keep=keep, span=span, json=json)
    except ServiceEnded as error:
        say("\n".join(map(printable, str(error).splitlines())), error=True)
        raise typer.Exit(FINDINGS) from None
    if not is_right:
        raise typer.Exit(FINDINGS)
