"""`fencepost devices`: which devices may connect to a running service, and with which keys."""

from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.asking import YesOption
from fencepost.cli.options import JsonOption
from fencepost.cli.service_options import CaOption, ServiceDataOption, Stated, TokenOption, UrlOption

STANDARD = Path("-")
NOT_ALL = 1
"""The exit code of an import that left something out."""

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the device.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the devices.")]
ModuleOption = Annotated[
    str | None,
    typer.Option("--module", metavar="NAME", help="A module of the device, such as azureiotsecurity."),
]
HostnameOption = Annotated[
    str | None,
    typer.Option(
        "--hostname",
        metavar="NAME",
        help="The name by which devices know the service; that of --url, or of the certificate, by default.",
    ),
]


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Say which devices may connect to a running service, and with which keys.",
    )
    app.command(short_help="Register a device.")(add)
    app.command("list", short_help="List the devices.")(list_devices)
    app.command(short_help="Show a device with its modules.")(show)
    app.command(short_help="Let devices connect again.")(enable)
    app.command(short_help="Let devices connect no more.")(disable)
    app.command(short_help="Take devices away.")(delete)
    app.command("rotate-key", short_help="Make one of a device's two keys anew.")(rotate_key)
    app.command("connection-string", short_help="Print what a device connects with.")(connection_string)
    app.command("import", short_help="Register the devices of a file.")(import_devices)
    app.command("export", short_help="Print all devices with their keys.")(export_devices)
    root.add_typer(app, name="devices", epilog="Example: fencepost devices add cam-0001 --group cameras")


def add(
    device_id: Id,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Its group: the twin tag SecurityGroup.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys-from",
            metavar="FILE",
            help="A file with its keys in base64, the primary one in the first line, the secondary one in "
            "the second; - is the standard input. Without it new keys are made.",
        ),
    ] = None,
    thumbprints: Annotated[
        list[str] | None,
        typer.Option(
            "--x509-thumbprint",
            metavar="T",
            help="It signs in with a certificate of this thumbprint (SHA-1 or SHA-256); may stand twice.",
        ),
    ] = None,
    x509_ca: Annotated[
        bool,
        typer.Option("--x509-ca", help="It signs in with a certificate of an authority that is trusted."),
    ] = False,
    hostname: HostnameOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Register a device, and print what it connects with.

    Its module azureiotsecurity, as which Microsoft's agents sign in, is registered with it.

    \b
    Examples:
      fencepost devices add cam-0001 --group cameras
      fencepost devices add gw-0001 --x509-thumbprint 5D1CB3A0A4C4DC7AB1C1CC2B6E1D6E5E2A3FE07A
    """
    from fencepost.cli import device_records

    wanted = device_records.authentication_of(keys, thumbprints or [], x509_ca=x509_ca)
    device_records.add(Stated(url, token, ca, data), device_id, group, wanted, hostname, json=json)


def list_devices(
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Only devices of this group.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only those enabled, or disabled.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="At most so many; 1000 by default, with --json all."
        ),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    List the registered devices in the order of their ids, with their groups, and whether they are connected.

    \b
    Example:
      fencepost devices list --group cameras --status disabled
    """
    from fencepost.cli import device_records

    device_records.print_list(Stated(url, token, ca, data), group, status, limit, json=json)


def show(
    device_id: Id,
    keys: Annotated[bool, typer.Option("--keys", help="Print its keys, and those of its modules.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show a device: its group, its modules, how it signs in, what its twin says.

    \b
    Example:
      fencepost devices show cam-0001
    """
    from fencepost.cli import device_records

    device_records.show(Stated(url, token, ca, data), device_id, keys=keys, json=json)


def enable(
    device_ids: Ids,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Let devices connect again that were disabled.

    \b
    Example:
      fencepost devices enable cam-0001 cam-0002
    """
    from fencepost.cli import device_records

    device_records.set_status(Stated(url, token, ca, data), device_ids, "enabled", None, json=json)


def disable(
    device_ids: Ids,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; `show` tells it.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Let devices connect no more; those that are connected are cut off at once. They stay registered.

    \b
    Example:
      fencepost devices disable cam-0001 --reason "stolen on 24 November"
    """
    from fencepost.cli import device_records

    device_records.set_status(Stated(url, token, ca, data), device_ids, "disabled", reason, json=json)


def delete(
    device_ids: Ids,
    yes: YesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Take devices away, with their modules, keys and twins. Their alerts stay.

    \b
    Example:
      fencepost devices delete cam-0001 --yes
    """
    from fencepost.cli import device_records

    device_records.delete(Stated(url, token, ca, data), device_ids, is_sure=yes, json=json)


def rotate_key(
    device_id: Id,
    which: Annotated[str, typer.Option("--which", metavar="KEY", help="primary or secondary.")] = "secondary",
    module: ModuleOption = None,
    hostname: HostnameOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Make one of the two keys of a device anew, and print what it connects with then.

    The other key stays: rotate the one that is not in use, give it to the device, then rotate the other.
    Whoever is connected is asked to show a key again.

    \b
    Example:
      fencepost devices rotate-key cam-0001 --which secondary
    """
    from fencepost.cli import device_keys

    stated = Stated(url, token, ca, data)
    device_keys.rotate(stated, device_id, module, which, hostname, json=json)


def connection_string(
    device_id: Id,
    module: ModuleOption = None,
    secondary: Annotated[bool, typer.Option("--secondary", help="With the secondary key.")] = False,
    hostname: HostnameOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Print the connection string of a device, or of a module of it, with its key.

    \b
    Examples:
      fencepost devices connection-string cam-0001
      fencepost devices connection-string cam-0001 --module azureiotsecurity --hostname hub.example.com
    """
    from fencepost.cli import device_keys

    stated = Stated(url, token, ca, data)
    device_keys.print_connection_string(
        stated, device_id, module, "secondary" if secondary else "primary", hostname, json=json
    )


def import_devices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; - is the standard input.")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the rest of a file that has lines that are wrong.")
    ] = False,
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Leave devices and modules that are registered as they are.")
    ] = False,
    enable: Annotated[
        bool, typer.Option("--enable", help="Let devices in again that are disabled here, as the file says.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is wrong, and how much there is.")
    ] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Register the devices of a file with the keys that they have, so that those in the field go on working.

    The file is an export of an IoT Hub (devices.txt, JSON lines), or of `fencepost devices export`, or CSV
    whose first line names its columns: id, and as you like group, status, primary_key, secondary_key,
    primary_thumbprint, secondary_thumbprint, authentication. If anything in it is wrong, nothing is imported.
    Devices that are registered already become what the file says, their keys included, unless --new-only is
    given; one that is disabled here is not enabled without --enable. Exits with 1 if lines were skipped or
    refused.

    \b
    Examples:
      fencepost devices import devices.txt --dry-run
      fencepost devices import fleet.csv
      fencepost devices import fleet.csv --new-only
    """
    from fencepost.cli.device_import import known_of, run_import

    stated, known = Stated(url, token, ca, data), known_of(new_only=new_only, enable=enable)
    if not run_import(stated, file, known, skip_bad=skip_bad, dry_run=dry_run, json=json):
        raise typer.Exit(NOT_ALL)


def export_devices(
    file: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="The file to make; the standard output without one.")
    ] = STANDARD,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Print all devices and modules with keys and twins, as an IoT Hub exports them, so that a fleet can go back.

    The output is JSON lines, with --json or without. A file that is made is for your eyes only.

    \b
    Example:
      fencepost devices export devices.txt
    """
    from fencepost.cli.device_export import run_export

    run_export(Stated(url, token, ca, data), None if file == STANDARD else file, json=json)
