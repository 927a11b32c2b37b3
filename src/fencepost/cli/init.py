"""`fencepost init`: the data folder of a service, with certificates, tokens and ids."""

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer

from fencepost.cli.data import DEFAULT_DATA, ConfigOption, DataOption, ca_file_of, prepared, url_of
from fencepost.cli.options import JsonOption
from fencepost.cli.output import printable, say, write_lines
from fencepost.config.service import Settings, is_local, is_loopback, load_settings
from fencepost.setup.hostnames import STANDARD, parse_hostname
from fencepost.setup.installation import TOKENS, Installation
from fencepost.setup.tls import SERVER

USUAL_PORT = 443
_WIDTH = 15


def register(app: typer.Typer) -> None:
    app.command(short_help="Make the data folder of a service.")(init)


def init(
    data: DataOption = DEFAULT_DATA,
    hostname: Annotated[
        list[str] | None,
        typer.Option(
            "--hostname",
            metavar="NAME",
            help="A DNS name, also *.example.com, or an IP address that clients use; may stand several times.",
        ),
    ] = None,
    rsa: Annotated[
        bool,
        typer.Option(
            "--rsa",
            help="Make authority and server with RSA keys, for devices that know no others, such as stock ThreadX.",
        ),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """
    Make the data folder of a service: certificates, tokens, ids, settings. What is there is kept.

    Run again, it completes what is missing. The server certificate is made anew when it does not cover a
    --hostname or ends within 30 days, unless it is your own. The first --hostname ever named is the hub's:
    the one that devices are told. Only --json prints the tokens and keys.

    \b
    Examples:
      fencepost init
      fencepost init --data /var/lib/fencepost --hostname fencepost.example.com --hostname 192.0.2.7
    """
    settings = load_settings(data, config, os.environ)
    installation = prepared(data, hostname or (), with_rsa=rsa)
    for warning in installation.warnings:
        say(printable(f"warning: {warning}"), error=True)
    url = url_of(settings, _host(hostname or ()))
    if json:
        write_lines([report_of(installation, settings, url)])
    else:
        for line in _lines(installation, settings, url):
            say(printable(line))


def report_of(installation: Installation, settings: Settings, url: str) -> dict[str, Any]:
    """Return all that a client of the service needs, the tokens and keys included."""
    ca_file = ca_file_of(settings, installation)
    tokens, hub = installation.tokens, installation.hub_name(local_only=is_local(settings))
    return {
        "url": url,
        "authority": url,  # of azure-identity, with tenant_id
        "ca_file": str(ca_file) if ca_file else None,
        "data": str(installation.folder),
        "admin_token": tokens.admin,
        "ingest_token": tokens.ingest,
        "metrics_token": tokens.metrics,
        "iothub_connection_string": _connection_string(installation, url_of(settings, hub)),
        "id_scope": installation.hub.id_scope,
        "enrollment_key": installation.hub.enrollment.primary,
        **msgspec.to_builtins(installation.identity),
        "hub_hostname": hub,
        "hostnames": installation.hostnames,
        "created": installation.made,
    }


def _connection_string(installation: Installation, url: str) -> str:
    """Return what programs of an IoT Hub's owner connect with; the usual port is not named."""
    hostname = url.partition("://")[2].removesuffix(f":{USUAL_PORT}")
    key = installation.hub.iothubowner.primary
    return f"HostName={hostname};SharedAccessKeyName=iothubowner;SharedAccessKey={key}"


def _host(asked: Sequence[str]) -> str:
    """Return the first name that stands in a URL: a wildcard does not."""
    return next((parse_hostname(name) for name in asked if not name.startswith("*")), STANDARD[0])


def _lines(installation: Installation, settings: Settings, url: str) -> Iterator[str]:
    made, folder = installation.made, installation.folder
    yield _line("data", str(folder))
    yield _line("", f"made {', '.join(made)}" if made else "all is there")
    http = settings.http
    only = '; for other machines, set host = "0.0.0.0"' if is_loopback(http.host) else ""
    yield _line("settings", f"{installation.settings_file}: listens on {http.host}, port {http.port}{only}")
    names = ", ".join(installation.hostnames)
    yield _line("certificate", f"{names}; until {installation.expires_at:%Y-%m-%d}")
    if SERVER in made and TOKENS not in made:
        yield _line("", "It is new: restart fencepost serve, where it runs.")
    ca_file = ca_file_of(settings, installation)
    if ca_file is not None:
        yield _line("authority", f"{ca_file}: give it to every client, as in")
        yield _line("", f"curl --cacert {shlex.quote(str(ca_file))} {url}/healthz")
    yield _line(
        "tokens", f"{installation.tokens_file}: admin, ingest (messages only), metrics; keep it secret"
    )
    yield _line(
        "iot hub",
        f"id scope {installation.hub.id_scope}; connection string and enrollment key: fencepost init --json",
    )
    yield ""
    yield "Next:"
    yield f"  fencepost serve --data {shlex.quote(str(folder))}"


def _line(label: str, text: str) -> str:
    return f"{label:<{_WIDTH}}{text}"
