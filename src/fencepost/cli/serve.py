"""`fencepost serve`: the service."""

import os
import sys
from typing import TYPE_CHECKING

import typer

from fencepost.cli.data import DEFAULT_DATA, ConfigOption, DataOption, ca_file_of, prepared, url_of
from fencepost.cli.options import JsonOption
from fencepost.cli.output import printable, progress, say, write_lines
from fencepost.config.service import Settings, load_settings
from fencepost.setup.hostnames import STANDARD
from fencepost.setup.installation import Installation

if TYPE_CHECKING:
    from fencepost.app.service import Ports

EVERYWHERE = (*STANDARD, "0.0.0.0", "::")  # noqa: S104 - what listens there is reached as localhost


def register(app: typer.Typer) -> None:
    app.command(short_help="Take messages and tell of alerts: the service.")(serve)


def serve(data: DataOption = DEFAULT_DATA, config: ConfigOption = None, json: JsonOption = False) -> None:
    """
    Take devices' messages, judge them, and tell of alerts, until SIGTERM or Ctrl-C.

    The first start makes the data folder, as `fencepost init` does. The address to use is printed when
    messages are taken; the log goes to stderr. While nobody can sign in yet, each start prints a link with
    which one person becomes the administrator, once and within a day.

    \b
    Example:
      fencepost serve --data /var/lib/fencepost
    """
    from fencepost.app.logs import set_up_logs
    from fencepost.app.service import run

    settings = load_settings(data, config, os.environ)
    installation = prepared(data)
    set_up_logs(settings.log.level, settings.log.format)
    for warning in installation.warnings:
        say(printable(f"warning: {warning}"), error=True)

    def listening(ports: "Ports", invitation: str | None) -> None:
        _announce(settings, installation, ports, invitation, json=json)

    with progress("reading the journal", None) as step:
        read = 0

        def recalled(position: int) -> None:
            nonlocal read
            step(position - read)
            read = position

        try:
            run(settings, installation, listening=listening, recalled=recalled)
        except OSError as error:
            raise RuntimeError("the service cannot go on") from error  # ours, and not the output's


def _announce(
    settings: Settings, installation: Installation, ports: "Ports", invitation: str | None, *, json: bool
) -> None:
    host = settings.http.host
    url = url_of(settings, "localhost" if host in EVERYWHERE else host, ports.https)
    ca_file = ca_file_of(settings, installation)
    people = settings.access.url.rstrip("/") or url
    welcome = f"{people}/welcome?code={invitation}" if invitation is not None else None
    if json:
        report = {"url": url, "ca_file": str(ca_file) if ca_file else None, "data": str(installation.folder)}
        open_ports = {"mqtt_port": ports.mqtt, "amqp_port": ports.amqp}
        write_lines([{**report, **open_ports, "welcome_url": welcome}])
        return
    say(f"Fencepost takes messages at {url}")
    for protocol, port in (("MQTT", ports.mqtt), ("AMQP", ports.amqp)):
        if port is not None:
            say(f"{protocol:<9} port {port}, as an IoT Hub")
    say(printable(f"data      {installation.folder}"))
    if ca_file is not None:
        say(printable(f"authority {ca_file}"))
    if welcome is not None:
        say("")
        say("Nobody can sign in yet. Become the administrator, within a day, in a browser:")
        say(f"  {welcome}")
        say("")
    say("Ctrl-C ends it.")
    sys.stdout.flush()
