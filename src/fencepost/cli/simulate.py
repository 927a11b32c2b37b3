"""`fencepost simulate`: a fleet of devices that do not exist, and the alerts that must come of it."""

import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.options import JsonOption
from fencepost.cli.output import plural, progress, say, write_lines
from fencepost.config.durations import parse_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.output import EXPECTED, GROUPS, MESSAGES, Summary, write

THOUSANDTHS = 1000


def register(app: typer.Typer) -> None:
    app.command(short_help="Write the messages of a simulated fleet.")(simulate)


def simulate(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder to write to; made if it is not there.")
    ],
    devices: Annotated[int, typer.Option("--devices", metavar="N", min=1, help="How many devices.")] = 50,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed gives the same bytes.")] = 1,
    duration: Annotated[
        str, typer.Option("--duration", metavar="TIME", help="How long they run, from PT20M on.")
    ] = "PT1H",
    incidents: Annotated[
        str,
        typer.Option(
            "--incidents",
            metavar="SHARE|LIST",
            help="The share of the devices that each type of incident strikes, such as 0.02, or how many of "
            "which, such as ProcessNotAllowed=2,LocalUserNotAllowed=1.",
        ),
    ] = "0.02",
    force: Annotated[bool, typer.Option("--force", help="Write to a folder that holds something.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Write the messages of a simulated fleet, the groups that judge it, and the alerts that must come.

    Cameras and gateways send legacy messages, controllers ThreadX ones. Incidents of each of the five
    alerts strike some of them; expected.json names them all.

    \b
    Example:
      fencepost simulate --out fleet --devices 200 --seed 7 --duration PT2H
    """
    fleet = Fleet(devices, seed=seed, duration=_span(duration), incidents=_incidents(incidents))
    done = 0
    with progress("simulating", THOUSANDTHS) as step:

        def show(share: float) -> None:
            nonlocal done
            if (reached := int(share * THOUSANDTHS)) > done:
                step(reached - done)
                done = reached

        summary = write(out, fleet, show, overwrite=force)
    if json:
        write_lines([_report(summary)])
    else:
        _say(summary)


def _span(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise OperatorError([Problem("--duration", str(error))]) from None


def _incidents(text: str) -> float | Mapping[str, int]:
    try:
        if "=" not in text:
            return float(text)
        pairs = [part.split("=") for part in text.split(",") if part.strip()]
        return {name.strip(): int(number) for name, number in pairs}
    except ValueError:
        reason = f"{text!r} is neither a share, such as 0.02, nor a list, such as ProcessNotAllowed=2"
        raise OperatorError([Problem("--incidents", reason)]) from None


def _next_command(summary: Summary) -> str:
    groups, messages = (shlex.quote(str(summary.folder / name)) for name in (GROUPS, MESSAGES))
    return f"fencepost detect --groups {groups} {messages}"


def _report(summary: Summary) -> dict[str, str | int]:
    return {
        "folder": str(summary.folder),
        "devices": summary.devices,
        "messages": summary.messages,
        "bytes": summary.bytes,
        "alerts": summary.alerts,
        "next": _next_command(summary),
    }


def _say(summary: Summary) -> None:
    folder = summary.folder
    size = f"{summary.bytes / 1_000_000:,.1f} MB"
    say(
        f"{folder / MESSAGES}: {plural(summary.messages, 'message')} of {plural(summary.devices, 'device')}, {size}"
    )
    say(f"{folder / GROUPS}: the groups that judge them")
    say(f"{folder / EXPECTED}: {plural(summary.alerts, 'alert')} that must come, and no others")
    say(f"\nNext:\n  {_next_command(summary)}")
