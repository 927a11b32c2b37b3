"""`fencepost simulate`: a fleet of devices that do not exist, and the alerts that must come of it."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from fencepost.cli.options import JsonOption
from fencepost.cli.output import plural, progress, say, write_lines
from fencepost.config.durations import parse_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.groups import GROUPS
from fencepost.simulation.live import LivePlan
from fencepost.simulation.output import EXPECTED, MESSAGES, Summary, write

THOUSANDTHS = 1000
RATE = 20.0
FINDINGS = 1
_STATED = frozenset({"devices", "duration", "rate", "incidents"})


def register(app: typer.Typer) -> None:
    app.command(short_help="Simulate a fleet: as files, or live against a running service.")(simulate)


def simulate(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder to write to; made if it is not there."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="The running service to send to, in real time.")
    ] = None,
    devices: Annotated[int, typer.Option("--devices", metavar="N", min=1, help="How many devices.")] = 50,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed gives the same fleet.")] = 1,
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="How long they run: with --out PT1H, or another time from PT20M on; with --to PT1M, or longer.",
        ),
    ] = None,
    incidents: Annotated[
        str,
        typer.Option(
            "--incidents",
            metavar="SHARE|LIST",
            help="The share of the devices that each type of incident strikes, such as 0.02, or how many of "
            "which, such as ProcessNotAllowed=2,LocalUserNotAllowed=1.",
        ),
    ] = "0.02",
    force: Annotated[
        bool, typer.Option("--force", help="With --out: write to a folder that holds something.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="R",
            help=f"With --to: how many messages a second all devices send together; {RATE:g} by default.",
        ),
    ] = None,
    keep_groups: Annotated[
        bool, typer.Option("--keep-groups", help="With --to: leave the groups of the service as they are.")
    ] = False,
    mqtt: Annotated[
        bool, typer.Option("--mqtt", help="With --to: send as devices do, over MQTT, each with its own key.")
    ] = False,
    amqp: Annotated[
        bool, typer.Option("--amqp", help="With --to: send as devices do, over AMQP (fencepost[amqp]).")
    ] = False,
    https: Annotated[
        bool, typer.Option("--https", help="With --to: send as devices do, over HTTPS as to an IoT Hub.")
    ] = False,
    device_port: Annotated[
        int | None,
        typer.Option(
            "--device-port",
            metavar="PORT",
            min=1,
            max=65535,
            help="With --mqtt and --amqp: the port; 8883 or 5671 by default.",
        ),
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option(
            "--connections",
            metavar="N",
            min=1,
            help="With --mqtt and --amqp: how many devices are connected at a time; 500 by default.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            envvar="FENCEPOST_TOKEN",
            help="With --to: an administrator's token. Others may read it here; better set the variable.",
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca",
            metavar="FILE",
            envvar="FENCEPOST_CA",
            help="With --to: the authority that signed the service's certificate.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            envvar="FENCEPOST_DATA",
            help="With --to: the data folder of the service, to take token and authority from.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """
    Let a fleet of devices that do not exist send messages, to files or to a running service.

    Cameras and gateways send legacy messages, controllers ThreadX ones. Incidents of each of the five
    alerts strike some of them. With --out, expected.json names the alerts that must come. With --to the
    fleet lives in real time, and at the end it is checked that exactly these alerts came: exits with 1 if
    not. With --mqtt, --amqp or --https its devices are registered, and send as real ones do.

    \b
    Examples:
      fencepost simulate --out fleet --devices 200 --seed 7 --duration PT2H
      fencepost simulate --to https://localhost:8443 --data fencepost-data --devices 200 --rate 50
      fencepost simulate --to https://localhost:8443 --data fencepost-data --mqtt
    """
    ways = [name for name, chosen in (("mqtt", mqtt), ("amqp", amqp), ("https", https)) if chosen]
    live = rate is not None or keep_groups or bool(ways)
    problems = [
        *_problems_of_options(out, to, live=live, files=force),
        *_problems_of_ways(ways, device_port, connections),
    ]
    if problems:
        raise OperatorError(problems)
    if out is not None:
        _to_files(out, devices, seed, duration, incidents, force=force, json=json)
        return
    from fencepost.cli.access import access_of
    from fencepost.cli.simulate_live import door_of, simulate_live

    plan = LivePlan(
        devices=devices,
        rate=RATE if rate is None else rate,
        seed=seed,
        duration=span_of(duration or "PT1M", "--duration"),
        incidents=_incidents(incidents),
    )
    with _naming_options():
        plan.check()
    access = access_of(to or "", token, ca, data)
    door = door_of(ways, device_port, connections)
    if not simulate_live(access, plan, keep_groups=keep_groups, json=json, door=door):
        raise typer.Exit(FINDINGS)


def _problems_of_options(out: Path | None, to: str | None, *, live: bool, files: bool) -> list[Problem]:
    if (out is None) == (to is None):
        return [Problem("--out, --to", "say either where to write files, or which service to send to")]
    if out is not None and live:
        return [Problem("--out", "--rate, --keep-groups and the ways to send go with --to")]
    if to is not None and files:
        return [Problem("--to", "--force goes with --out")]
    return []


def _problems_of_ways(ways: list[str], port: int | None, connections: int | None) -> list[Problem]:
    if len(ways) > 1:
        return [Problem("--" + ", --".join(ways), "choose one: all devices send the same way")]
    if (port is not None or connections is not None) and ways not in (["mqtt"], ["amqp"]):
        return [Problem("--device-port, --connections", "they go with --mqtt or --amqp")]
    return []


def _to_files(
    out: Path, devices: int, seed: int, duration: str | None, incidents: str, *, force: bool, json: bool
) -> None:
    span = span_of(duration or "PT1H", "--duration")
    with _naming_options():
        fleet = Fleet(devices, seed=seed, duration=span, incidents=_incidents(incidents))
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


@contextmanager
def _naming_options() -> Iterator[None]:
    """Name what is wrong with a fleet by the option that states it."""
    try:
        yield
    except OperatorError as error:
        raise OperatorError(
            structs.replace(one, path=f"--{one.path}") if one.path in _STATED else one
            for one in error.problems
        ) from None


def span_of(text: str, option: str) -> timedelta:
    """Return the duration that an option states; raises OperatorError."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise OperatorError([Problem(option, str(error))]) from None


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
