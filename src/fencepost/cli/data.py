"""The data folder, as the commands of the service know it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.options import wall_clock
from fencepost.config.service import Settings
from fencepost.config.settings_text import settings_text
from fencepost.setup.installation import Installation, prepare

DEFAULT_DATA = Path("fencepost-data")
DataOption = Annotated[
    Path,
    typer.Option(
        "--data", metavar="DIR", envvar="FENCEPOST_DATA", help="The data folder; made if it is not there."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="FENCEPOST_CONFIG",
        help="The settings; without it those of fencepost.toml in the data folder.",
    ),
]


def prepared(data: Path, hostnames: Iterable[str] = (), *, with_rsa: bool = False) -> Installation:
    """Return the installation in a folder, made or completed; raises OperatorError."""
    return prepare(data, hostnames, wall_clock, settings=settings_text(), with_rsa=with_rsa)


def url_of(settings: Settings, host: str, port: int | None = None) -> str:
    """Return the address of the service under a name or an IP address; `port` where it is not that of the settings."""
    scheme = "https" if settings.http.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port or settings.http.port}"


def ca_file_of(settings: Settings, installation: Installation) -> Path | None:
    """Return what clients verify the service with; None where they need another authority, or none."""
    own = settings.http.tls and settings.http.certificate.resolve() == installation.certificate.resolve()
    return installation.ca_file if own else None
