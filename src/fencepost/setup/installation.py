"""The data folder of an installation: made or completed by `prepare`, read by `load`."""

import shlex
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, structs

from fencepost.model.errors import OperatorError, Problem
from fencepost.setup import tls
from fencepost.setup.credentials import HubKeys, Identity, Tokens, new_hub_keys, new_identity, new_tokens
from fencepost.setup.data_folder import DataFolder, locked, make_folder
from fencepost.setup.hostnames import STANDARD, is_local, machine_names, parse_hostnames, uncovered

IDENTITY, TOKENS, HUB, SETTINGS = "identity.json", "tokens.json", "hub.json", "fencepost.toml"
JOURNAL, SNAPSHOTS, LOCK = "journal", "snapshots", ".init.lock"

_MARKS = {IDENTITY, TOKENS, SETTINGS, LOCK}
"""A folder that holds one of these is ours, whatever else it holds."""
_LAWFUL = {tls.FOLDER, JOURNAL, SNAPSHOTS, "lost+found"}
"""What a folder may hold before we were there: an operator's certificates, and the root of a volume."""
_SECRETS = (TOKENS, HUB, *tls.SECRETS)
_FILES = (IDENTITY, TOKENS, HUB, SETTINGS, *tls.FILES)

_Read = TypeVar("_Read")


class Installation(Struct, frozen=True, kw_only=True):
    """
    A data folder that is complete; every path is absolute.

    `hostnames` are those of the server certificate, which ends at `expires_at`. `ca_file` is None where an
    operator's certificate is in use that no `ca.pem` of the folder verifies. `made` are the names of what was
    made just now; `warnings` are for the operator's eyes.
    """

    folder: Path
    settings_file: Path
    tokens_file: Path
    journal: Path
    snapshots: Path
    certificate: Path
    key: Path
    ca_file: Path | None
    hostnames: tuple[str, ...]
    expires_at: datetime
    identity: Identity
    tokens: Tokens
    hub: HubKeys
    made: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def hub_name(self, *, local_only: bool) -> str:
        """
        Return the host name by which devices know the hub; `local_only` says that only this machine can reach it.

        It is the one that is recorded, if the certificate covers it. Without it, it is the first of the certificate
        that other machines can mean us by.
        """
        recorded = self.identity.hub_hostname
        if isinstance(recorded, str) and not uncovered((recorded,), self.hostnames):
            return recorded
        names = [name for name in self.hostnames if not name.startswith("*")]
        own = {*STANDARD, *(machine_names() if local_only else ())}
        return next((name for name in names if name not in own), names[0] if names else STANDARD[0])


def prepare(
    folder: Path,
    hostnames: Iterable[str],
    clock: Callable[[], datetime],
    *,
    settings: str,
    with_rsa: bool = False,
) -> Installation:
    """
    Make the data folder, or complete one; what is there stays.

    Only a server certificate that our authority has signed is made anew, where it does not cover all
    `hostnames` or ends within 30 days, and the first of them ever named that is not this machine's own is recorded
    as the hub's. `settings` is the text of a new fencepost.toml; `with_rsa` wants RSA keys for authority and server.
    What a call leaves that is killed, at any instant, the next one completes. Raises OperatorError.
    """
    names = parse_hostnames(hostnames)
    folder = folder.absolute()
    try:
        _refuse_foreign(folder)
        make_folder(folder)
        with locked(folder / LOCK):
            return _complete(DataFolder(folder), names, clock(), settings, with_rsa=with_rsa)
    except OSError as error:
        raise _unusable(folder, error) from error


def load(folder: Path) -> Installation:
    """Return the installation of a data folder; raises OperatorError where there is none, or not all of it."""
    data = DataFolder(folder.absolute())
    try:
        if not any((data.path / name).exists() for name in (IDENTITY, TOKENS)):
            raise OperatorError([Problem("", f"there is no installation here: {_how(data)}", str(folder))])
        return _installation(data)
    except OSError as error:
        raise _unusable(folder, error) from error


def _complete(
    data: DataFolder, names: tuple[str, ...], now: datetime, settings: str, *, with_rsa: bool
) -> Installation:
    for name in _FILES:
        data.sweep(name)
    identity = _read(data, IDENTITY, Identity)
    if _read(data, TOKENS, Tokens) is None:
        data.create(TOKENS, _json(new_tokens()))
    if _read(data, HUB, HubKeys) is None:
        data.create(HUB, _json(new_hub_keys()))
    if data.read(SETTINGS) is None:
        data.create(SETTINGS, settings.encode())
    for name in (JOURNAL, SNAPSHOTS):
        data.ensure_folder(name)
    recorded = identity.hub_hostname if identity is not None else UNSET
    always = (recorded,) if isinstance(recorded, str) else ()
    warnings = tls.complete_tls(data, names, now, always=always, with_rsa=with_rsa)
    _complete_identity(data, identity, names)
    return _installation(data, warnings)


def _complete_identity(data: DataFolder, identity: Identity | None, names: tuple[str, ...]) -> None:
    """Make the identity, or add the hub's name to it: that of a certificate which covers it by now."""
    complete = identity or new_identity()
    if complete.hub_hostname is UNSET:
        first = next((name for name in names if not name.startswith("*") and not is_local(name)), UNSET)
        complete = structs.replace(complete, hub_hostname=first)
    if complete != identity:
        data.replace(IDENTITY, _json(complete))


def _installation(data: DataFolder, warnings: Iterable[Problem] = ()) -> Installation:
    path, shown = data.path, tls.read_tls(data)
    return Installation(
        folder=path,
        settings_file=path / SETTINGS,
        tokens_file=path / TOKENS,
        journal=path / JOURNAL,
        snapshots=path / SNAPSHOTS,
        certificate=path / tls.SERVER,
        key=path / tls.SERVER_KEY,
        ca_file=path / tls.AUTHORITY if shown.is_ours else None,
        hostnames=shown.hostnames,
        expires_at=shown.expires_at,
        identity=_required(data, IDENTITY, Identity),
        tokens=_required(data, TOKENS, Tokens),
        hub=_required(data, HUB, HubKeys),
        made=tuple(data.made),
        warnings=(*warnings, *data.exposures(_SECRETS)),
    )


def _refuse_foreign(folder: Path) -> None:
    names = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if not names & _MARKS and names - _LAWFUL:
        reason = "this folder holds other things: name one that is empty, or one that is not there"
        raise OperatorError([Problem("", reason, str(folder))])


def _required(data: DataFolder, name: str, kind: type[_Read]) -> _Read:
    value = _read(data, name, kind)
    if value is None:
        raise OperatorError([Problem("", f"the file is missing: {_how(data)}", str(data.path / name))])
    return value


def _read(data: DataFolder, name: str, kind: type[_Read]) -> _Read | None:
    content = data.read(name)
    try:
        return None if content is None else msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        reason = f"damaged ({error}): restore it from your backup, or move it away for a new one"
        raise OperatorError([Problem("", reason, str(data.path / name))]) from None


def _json(value: Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _how(data: DataFolder) -> str:
    return f"run fencepost init --data {shlex.quote(str(data.path))}"


def _unusable(folder: Path, error: OSError) -> OperatorError:
    reason = error.strerror or str(error)
    mend = "mend that and run the same command again"
    return OperatorError([Problem("", f"{reason}: {mend}", error.filename or str(folder))])
