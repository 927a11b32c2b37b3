"""
The folder `tls/`: a local authority, and a server certificate that it has signed.

What an operator has put there stays: the authority's key, kept elsewhere, is missed only when something must be
signed, and a server certificate of another authority is never replaced.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509 import Certificate
from msgspec import Struct

from fencepost.model.errors import OperatorError, Problem
from fencepost.setup.certificates import (
    AUTHORITY_BITS,
    SERVER_BITS,
    SigningKey,
    belong,
    certificate_pem,
    is_rsa,
    is_signed_by,
    key_pem,
    names_of,
    new_authority,
    new_key,
    new_rsa_key,
    new_server,
    read_certificate,
    read_key,
)
from fencepost.setup.data_folder import DataFolder
from fencepost.setup.hostnames import STANDARD, machine_names, uncovered

FOLDER = "tls"
AUTHORITY, AUTHORITY_KEY = "tls/ca.pem", "tls/ca.key"
SERVER, SERVER_KEY = "tls/server.pem", "tls/server.key"
FILES = (AUTHORITY_KEY, AUTHORITY, SERVER_KEY, SERVER)
SECRETS = (AUTHORITY_KEY, SERVER_KEY)

SERVER_RENEWED = timedelta(days=30)
"""How long before its end a server certificate is replaced."""
AUTHORITY_WARNED = timedelta(days=180)
"""How long before its end an authority is complained of: every client must learn of the next one."""
MOST_NAMES = 100
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock before this was never set, and nothing is signed by it."""

_NEXT_AUTHORITY = (
    "move ca.key, ca.pem and server.pem out of tls/, run fencepost init, and give clients the new ca.pem"
)
_OTHER_KIND = (
    "its key is ECDSA, and what is there is kept: for --rsa use a certificate of your own with an RSA key, or move "
    "ca.key, ca.pem, server.key and server.pem out of tls/, run this again, and give clients the new ca.pem"
)
_Read = TypeVar("_Read")


class Tls(Struct, frozen=True, kw_only=True):
    """
    What a server shows: the names its certificate is for, and when it ends.

    `is_ours` says that the authority in `ca.pem` has signed it.
    """

    hostnames: tuple[str, ...]
    expires_at: datetime
    is_ours: bool


def read_tls(data: DataFolder) -> Tls:
    """Return what is there; raises OperatorError where the certificate and its key are not."""
    certificate, key = _certificate(data, SERVER), _key(data, SERVER_KEY)
    if certificate is None or key is None:
        name, what = (SERVER, "certificate") if certificate is None else (SERVER_KEY, "key")
        raise _fault(data, name, f"the server's {what} is missing: run fencepost init, or put it here")
    if not belong(certificate, key):
        raise _fault(data, SERVER_KEY, "this is not the key of server.pem: put the right one here")
    authority = _certificate(data, AUTHORITY)
    return Tls(
        hostnames=names_of(certificate),
        expires_at=certificate.not_valid_after_utc,
        is_ours=authority is not None and is_signed_by(certificate, authority),
    )


def complete_tls(
    data: DataFolder,
    asked: Sequence[str],
    now: datetime,
    *,
    always: Sequence[str] = (),
    with_rsa: bool = False,
) -> list[Problem]:
    """
    Make what is missing, so that the server certificate covers the names asked for; return warnings.

    A certificate of our authority is made anew where it does not cover them or ends within 30 days, for the
    names that it had, these, and those of `always`. A new server's key is of the kind of the authority's; a new
    authority has an ECDSA key, or with `with_rsa` an RSA key. Raises OperatorError where files that are there
    stand in the way, and OSError.
    """
    data.ensure_folder(FOLDER)
    if with_rsa:
        _refuse_other_kinds(data)
    authority, authority_key = _authority(data, now, with_rsa=with_rsa)
    certificate = _certificate(data, SERVER)
    if certificate is not None and not is_signed_by(certificate, authority):
        _check_own(data, certificate, asked)
        return _warnings(data, SERVER, certificate, now + SERVER_RENEWED, "put a new one here")
    names = (*asked, *always)
    if certificate is None or not _serves(data, certificate, asked):
        _issue(data, authority, authority_key, names, now)
    elif certificate.not_valid_after_utc <= now + SERVER_RENEWED < authority.not_valid_after_utc:
        if authority_key is None:
            mend = "put ca.key back and run fencepost init"
            return _warnings(data, SERVER, certificate, now + SERVER_RENEWED, mend)
        _issue(data, authority, authority_key, names, now)
    return _warnings(data, AUTHORITY, authority, now + AUTHORITY_WARNED, _NEXT_AUTHORITY)


def _refuse_other_kinds(data: DataFolder) -> None:
    for name in (AUTHORITY, SERVER):
        certificate = _certificate(data, name)
        if certificate is not None and not is_rsa(certificate.public_key()):
            raise _fault(data, name, _OTHER_KIND)
    for name in (AUTHORITY_KEY, SERVER_KEY):
        key = _key(data, name)
        if key is not None and not is_rsa(key):
            raise _fault(data, name, _OTHER_KIND)


def _authority(data: DataFolder, now: datetime, *, with_rsa: bool) -> tuple[Certificate, SigningKey | None]:
    """Return the authority and its key, which an operator may keep elsewhere; both are made if neither is there."""
    certificate, key = _certificate(data, AUTHORITY), _signing_key(data, AUTHORITY_KEY)
    if certificate is None:
        _check_clock(now)
        key = key or _make_key(data, AUTHORITY_KEY, AUTHORITY_BITS if with_rsa else None)
        certificate = new_authority(key, now)
        data.create(AUTHORITY, certificate_pem(certificate))
    if key is not None and not belong(certificate, key):
        raise _fault(data, AUTHORITY_KEY, "this is not the key of ca.pem: put the right one here, or none")
    return certificate, key


def _check_clock(now: datetime) -> None:
    if now < EARLIEST:
        reason = (
            f"this machine's clock says {now:%Y-%m-%d}: set it, certificates depend on it, and run this again"
        )
        raise OperatorError([Problem("", reason)])


def _serves(data: DataFolder, certificate: Certificate, asked: Sequence[str]) -> bool:
    key = _key(data, SERVER_KEY)
    return key is not None and belong(certificate, key) and not uncovered(asked, names_of(certificate))


def _check_own(data: DataFolder, certificate: Certificate, asked: Sequence[str]) -> None:
    missing = uncovered(asked, names_of(certificate))
    if missing:
        reason = (
            f"this certificate is not of ca.pem and does not cover {', '.join(missing)}: put one here that "
            "does, or move it away and run the same command again"
        )
        raise _fault(data, SERVER, reason)


def _issue(
    data: DataFolder,
    authority: Certificate,
    authority_key: SigningKey | None,
    wanted: Sequence[str],
    now: datetime,
) -> None:
    """Make a server certificate; its key stays, so that clients which know it go on."""
    _check_clock(now)
    if authority_key is None:
        raise _fault(data, AUTHORITY_KEY, "a server certificate must be signed: put the key of ca.pem back")
    if authority.not_valid_after_utc <= now:
        ended = f"this authority ended on {authority.not_valid_after_utc:%Y-%m-%d}"
        raise _fault(data, AUTHORITY, f"{ended}: {_NEXT_AUTHORITY}")
    old = _certificate(data, SERVER)
    known = names_of(old) if old is not None else ()
    names = tuple(dict.fromkeys((*wanted, *STANDARD, *machine_names(), *known)))
    if len(names) > MOST_NAMES:
        reason = f"more than {MOST_NAMES} names: remove the file and run fencepost init with those you need"
        raise _fault(data, SERVER, reason)
    bits = SERVER_BITS if is_rsa(authority_key) else None
    key = _signing_key(data, SERVER_KEY) or _make_key(data, SERVER_KEY, bits)
    made = new_server(authority, authority_key, key.public_key(), names, now)
    data.replace(SERVER, certificate_pem(made, authority))


def _warnings(
    data: DataFolder, name: str, certificate: Certificate, ends_by: datetime, mend: str
) -> list[Problem]:
    ends = certificate.not_valid_after_utc
    if ends > ends_by:
        return []
    return [Problem("", f"this certificate ends on {ends:%Y-%m-%d}: {mend}", str(data.path / name))]


def _make_key(data: DataFolder, name: str, bits: int | None) -> SigningKey:
    """Make an RSA key of so many bits, or an ECDSA key."""
    key = new_key() if bits is None else new_rsa_key(bits)
    data.create(name, key_pem(key))
    return key


def _certificate(data: DataFolder, name: str) -> Certificate | None:
    return _read(data, name, read_certificate)


def _key(data: DataFolder, name: str) -> PrivateKeyTypes | None:
    return _read(data, name, read_key)


def _signing_key(data: DataFolder, name: str) -> SigningKey | None:
    key = _key(data, name)
    if key is None or isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return key
    raise _fault(data, name, "this is neither an ECDSA nor an RSA key: put one here, or move it away")


def _read(data: DataFolder, name: str, reader: Callable[[bytes], _Read]) -> _Read | None:
    content = data.read(name)
    try:
        return None if content is None else reader(content)
    except ValueError as error:
        raise _fault(data, name, f"{error}: restore it from your backup, or move it away") from None


def _fault(data: DataFolder, name: str, reason: str) -> OperatorError:
    return OperatorError([Problem("", reason, str(data.path / name))])
