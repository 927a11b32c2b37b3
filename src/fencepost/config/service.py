"""
The settings of the service: fencepost.toml in the data folder, and environment variables, which win.

All that is wrong is said at once, each problem with its file, line and path, or with its variable.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Struct, structs

from fencepost.config.access import CHECKS as CHECKS_OF_ACCESS
from fencepost.config.access import NEEDED, Access, Oidc
from fencepost.config.azure import CHECKS as CHECKS_OF_AZURE
from fencepost.config.azure import Azure
from fencepost.config.environment import Variable, environment_tree
from fencepost.config.setting import Key, Setting
from fencepost.config.text_file import read_text
from fencepost.config.toml_tree import parse_toml
from fencepost.config.yaml_tree import Tree
from fencepost.model.address import parse_entry
from fencepost.model.errors import OperatorError, Problem

FILE = "fencepost.toml"
LARGEST_MESSAGE = 262_144

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_SECOND, _MINUTE, _HOUR, _DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


class Http(Struct, frozen=True, kw_only=True):
    """How devices and people reach the service."""

    host: Annotated[str, Key("The address to listen on; 0.0.0.0 and :: are all of this machine.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Key("The port to listen on; 0 is any that is free.", 0, 65535)] = 8443
    tls: Annotated[bool, Key("Whether to speak HTTPS; false only where nobody else can listen in.")] = True
    certificate: Annotated[Path, Key("The server's certificate and its chain, in PEM.")] = Path(
        "tls/server.pem"
    )
    key: Annotated[Path, Key("The private key of the certificate, in PEM.")] = Path("tls/server.key")
    max_body_bytes: Annotated[
        int, Key("The greatest body of a request; it may hold many messages.", _KIB, 16 * _MIB)
    ] = 8 * _MIB
    request_timeout: Annotated[
        timedelta, Key("How long a client may take to send a request.", _SECOND, _HOUR)
    ] = 30 * _SECOND
    keep_alive: Annotated[timedelta, Key("How long an idle connection is kept open.", _SECOND, _DAY)] = (
        65 * _SECOND
    )
    max_connections: Annotated[int, Key("How many connections are open at a time.", 1, 1_000_000)] = 2048


class Mqtt(Struct, frozen=True, kw_only=True):
    """Where devices reach the service over MQTT, as they would an IoT Hub."""

    enabled: Annotated[bool, Key("Whether to listen.")] = True
    host: Annotated[str, Key("The address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Key("The port; clients of IoT Hub know no other than 8883. 0 is any that is free.", 0, 65535)
    ] = 8883


class Amqp(Struct, frozen=True, kw_only=True):
    """Where devices reach the service over AMQP; it takes the extra `amqp`."""

    enabled: Annotated[bool, Key("Whether to listen, where the extra is installed.")] = True
    host: Annotated[str, Key("The address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Key("The port; clients of IoT Hub know no other than 5671. 0 is any that is free.", 0, 65535)
    ] = 5671


class Gateway(Struct, frozen=True, kw_only=True):
    """What all ways of devices have in common; certificate and key are those of [http]."""

    hostnames: Annotated[
        tuple[str, ...],
        Key("Host names of devices' connection strings besides those of the certificate: the former hub's."),
    ] = ()
    device_ca_file: Annotated[
        Path, Key("The authorities, in PEM, that sign devices' certificates; the default need not be there.")
    ] = Path("tls/devices.pem")
    max_connections: Annotated[
        int, Key("How many connections are open at a time, of each protocol.", 1, 1_000_000)
    ] = 8_192
    max_connections_per_address: Annotated[
        int, Key("How many of them come from one address; behind a NAT there may be many.", 1, 1_000_000)
    ] = 4_096


class Ingest(Struct, frozen=True, kw_only=True):
    """How messages are taken."""

    register: Annotated[
        Literal["auto", "refuse"],
        Key('What becomes of a device that is not known: "auto" registers it, "refuse" answers 404.'),
    ] = "auto"
    max_message_bytes: Annotated[
        int,
        Key("The greatest message; a greater one is rejected, its neighbours are not.", 1, LARGEST_MESSAGE),
    ] = LARGEST_MESSAGE
    queue_bytes: Annotated[
        int, Key("How much may wait to be written; beyond it clients are told to come back.", _KIB, 64 * _GIB)
    ] = 64 * _MIB
    server_addresses: Annotated[
        tuple[str, ...],
        Key("This service's own addresses: what the implicit entry `server` of groups allows."),
    ] = ()


class Journal(Struct, frozen=True, kw_only=True):
    """Where everything that was received is kept, before anything else is done with it."""

    folder: Annotated[Path, Key("The folder of the journal; a disk of its own is worth it.")] = Path(
        "journal"
    )
    seal_bytes: Annotated[
        int, Key("How large a segment grows before the next one begins.", _MIB, 4 * _GIB)
    ] = 64 * _MIB
    seal_age: Annotated[timedelta, Key("How old a segment grows.", _MINUTE, 366 * _DAY)] = _HOUR
    commit_interval: Annotated[
        timedelta, Key("How long messages are collected for one write to the disk.", timedelta(), _SECOND)
    ] = timedelta(milliseconds=5)


class Control(Struct, frozen=True, kw_only=True):
    """
    Where alerts, devices and groups are kept.

    `repr` does not show the URL: it may hold a password.
    """

    url: Annotated[
        str,
        Key("The database: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME (better as a variable)."),
    ] = "sqlite:///control.db"

    def __repr__(self) -> str:
        return "Control(...)"


class Snapshot(Struct, frozen=True, kw_only=True):
    """How often the engine's memory is written down; more often makes a restart shorter."""

    interval: Annotated[timedelta, Key("How much time lies between two at most.", _SECOND, _DAY)] = (
        5 * _MINUTE
    )
    entries: Annotated[int, Key("How many entries of the journal lie between two at most.", 1, 10**9)] = (
        100_000
    )


class Log(Struct, frozen=True, kw_only=True):
    """What the service says of itself, on its standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Key("The least that is said: debug, info, warning or error."),
    ] = "info"
    format: Annotated[
        Literal["json", "text", "auto"], Key('"json", "text", or "auto": text on a terminal, else json.')
    ] = "auto"


class Settings(Struct, frozen=True, kw_only=True):
    """
    All settings. Paths are as they are to be opened: relative ones of the file are relative to it.

    As constructed, without `load_settings`, the default paths are relative to the data folder.
    """

    http: Http = Http()
    mqtt: Mqtt = Mqtt()
    amqp: Amqp = Amqp()
    gateway: Gateway = Gateway()
    ingest: Ingest = Ingest()
    journal: Journal = Journal()
    control: Control = Control()
    access: Access = Access()
    oidc: Oidc = Oidc()
    azure: Azure = Azure()
    snapshot: Snapshot = Snapshot()
    log: Log = Log()


SECTIONS: dict[str, type[Struct]] = {field.name: field.type for field in structs.fields(Settings)}
KEYS = {name: {field.name: field for field in structs.fields(section)} for name, section in SECTIONS.items()}
_SQLITE = "sqlite:///"
_SERVERS = ("postgresql://", "postgresql+psycopg://")


def load_settings(folder: Path, file: Path | None, environ: Mapping[str, str]) -> Settings:
    """
    Return the settings of a data folder; raises OperatorError with all that is wrong.

    `file` is read instead of fencepost.toml in the folder, which need not be there. Nothing else is read:
    whether files exist that the settings name is the business of who opens them.
    """
    written, stated = _tree_of(folder, file), environment_tree(environ, KEYS)
    reading = _Reading(folder, stated.problems)
    reading.take(Setting(written, reading.problems, "", written.data), Path(written.file).parent)
    reading.take(Variable(stated, reading.problems, "", stated.data), Path())
    reading.check()
    if reading.problems:
        raise OperatorError(sorted(reading.problems, key=lambda problem: problem.line))
    return reading.settings()


def _tree_of(folder: Path, file: Path | None) -> Tree:
    path = file or folder / FILE
    if file is None and not os.path.lexists(path):
        return Tree(file=str(path), data={}, lines={}, texts={})
    return parse_toml(read_text(path), str(path))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_local(settings: Settings) -> bool:
    """Whether only this machine can reach the service, whatever the protocol."""
    return all(is_loopback(one.host) for one in (settings.http, settings.mqtt, settings.amqp))


class _Reading:
    """The settings as far as they are read: by path, the value that counts, and where it stood."""

    def __init__(self, folder: Path, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        self._places: dict[str, Setting] = {}
        self._values: dict[str, Any] = {
            f"{section}.{key}": _placed(field.default, folder)
            for section, fields in KEYS.items()
            for key, field in fields.items()
        }

    def take(self, root: Setting, base: Path) -> None:
        """Read all settings of one source; its relative paths are relative to `base`."""
        for section, table in root.fields(tuple(KEYS)).items():
            for key, place in table.fields(tuple(KEYS[section])).items():
                value = place.read(KEYS[section][key])
                check = _CHECKS.get(place.path)
                reason = check(value) if check is not None and value is not None else None
                if reason is not None:
                    place.fault(reason)
                self._places[place.path] = place
                self._values[place.path] = _placed(value, base) if reason is None else None

    def check(self) -> None:
        """Note what does not go together, as far as each for itself is in order."""
        self._check_pair("http.certificate", "http.key")
        self._check_pair("http.key", "http.certificate")
        host = self._values["http.host"]
        if self._values["http.tls"] is False and host is not None and not is_loopback(host):
            self._fault("http.tls", "false goes with a loopback host only: tokens would be sent in the clear")
        self._check_order("ingest.max_message_bytes", "http.max_body_bytes")
        self._check_order("http.max_body_bytes", "ingest.queue_bytes")
        for path in NEEDED if self._values["oidc.issuer"] else ():
            if self._values[path] in ("", ()):  # None has a problem of its own already
                self._fault("oidc.issuer", f"{path} is missing: sign-in by OpenID needs it")
        url = self._values["control.url"] or ""
        if url.startswith(_SQLITE) and ("?" in url or "%" in url):  # a URL means something else by them
            self._fault("control.url", "the path of a SQLite database holds no ? and no %: name another")

    def settings(self) -> Settings:
        sections: dict[str, Any] = {
            name: section(**{key: self._values[f"{name}.{key}"] for key in KEYS[name]})
            for name, section in SECTIONS.items()
        }
        return Settings(**sections)

    def _check_pair(self, given: str, missing: str) -> None:
        if given in self._places and missing not in self._places:
            self._fault(given, f"{missing} is missing: a certificate and its key are set together")

    def _check_order(self, less: str, more: str) -> None:
        low, high = self._values[less], self._values[more]
        if low is not None and high is not None and low > high:
            path = less if less in self._places else more
            self._fault(path, f"{less} ({low}) is greater than {more} ({high}): it would never fit")

    def _fault(self, path: str, reason: str) -> None:
        place = self._places.get(path)
        if place is None:
            self.problems.append(Problem(path, reason))
        else:
            place.fault(reason)


def _placed(value: Any, base: Path) -> Any:
    """Return a value with its relative path, if it has one, placed below `base`."""
    if isinstance(value, Path):
        return base / value
    if isinstance(value, str) and value.startswith(_SQLITE):
        return f"{_SQLITE}{base / value.removeprefix(_SQLITE)}"
    return value


def _host_fault(port: str, host: str) -> str | None:
    if _is_host(host):
        return None
    return f"{host!r} is neither an address nor a name: write it as in 0.0.0.0; the port is {port}"


def _hostnames_fault(names: Iterable[str]) -> str | None:
    wrong = next((name for name in names if not _is_host(name)), None)
    if wrong is None:
        return None
    return f"{wrong!r} is neither a name nor an address: write it as in hub.example.com, without a port"


def _is_host(text: str) -> bool:
    is_name = re.fullmatch(r"(?=.*[A-Za-z])\w(-?[\w.])*", text, re.ASCII) is not None
    return is_name or _address(text) is not None


def _url_fault(url: str) -> str | None:
    """Return what is wrong with a URL, without a part of it: it may hold a password."""
    if url.startswith(_SERVERS):
        return None
    if url.startswith(_SQLITE) and url.removeprefix(_SQLITE) not in ("", ":memory:"):
        return None
    return "this is neither sqlite:///FILE nor postgresql://USER:PASSWORD@HOST/NAME"


def _addresses_fault(entries: Iterable[str]) -> str | None:
    try:
        for entry in entries:
            parse_entry(entry)
    except ValueError as error:
        return str(error)
    return None


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "http.host": partial(_host_fault, "http.port"),
    "mqtt.host": partial(_host_fault, "mqtt.port"),
    "amqp.host": partial(_host_fault, "amqp.port"),
    "gateway.hostnames": _hostnames_fault,
    "control.url": _url_fault,
    "ingest.server_addresses": _addresses_fault,
    **CHECKS_OF_ACCESS,
    **CHECKS_OF_AZURE,
}


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
