"""The options of commands that talk to a running service."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="FENCEPOST_URL",
        help="The running service; without it the one of the data folder, on this machine.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        envvar="FENCEPOST_TOKEN",
        help="A token that allows it. Others may read it here; better set the variable.",
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        envvar="FENCEPOST_CA",
        help="The authority that signed the service's certificate.",
    ),
]
ServiceDataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="FENCEPOST_DATA",
        help="The data folder of the service, to take address, token and authority from.",
    ),
]


class Stated(Struct, frozen=True):
    """What these options state; `repr` does not show the token."""

    url: str | None
    token: str | None
    ca: Path | None
    data: Path | None

    def __repr__(self) -> str:
        return f"Stated({self.url!r}, ..., {self.ca!r}, {self.data!r})"
