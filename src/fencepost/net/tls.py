"""
TLS for devices: a server's side of it that lets an unknown certificate finish the handshake.

IoT Hub knows self-signed certificates by their thumbprints, so whether a certificate is good is decided
above; Python's own `ssl` has no callback for that and would end the handshake. The layer is pyOpenSSL over
memory (RFC 5246, RFC 8446), between the transport of the event loop and a protocol that reads plain bytes.
"""

import asyncio
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from msgspec import Struct
from OpenSSL import SSL

from fencepost.model.errors import OperatorError, Problem

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
"""Of TLS 1.2; the last one is all that stock Azure RTOS firmware offers, and takes an RSA certificate."""
RECORD = 16 << 10
"""Bytes that one read gives at most: those of a TLS record."""
HELD = 256 << 10
"""Bytes of writing that may wait in the transport before the protocol is asked to pause."""
PEER_CERTIFICATE = "peer_certificate"
"""The name under which a transport, and a request's state, has the client's certificate."""
PARTING = 1.0
"""Seconds that a peer has to take the last bytes and to end TLS."""


class PeerCertificate(Struct, frozen=True, kw_only=True):
    """
    A client's certificate whose key it has proved to hold.

    `is_signed` says that an authority of devices that we were told of has signed it. Thumbprints are of the
    DER, hexadecimal in upper case.
    """

    common_name: str | None
    sha1: str
    sha256: str
    not_before: datetime
    not_after: datetime
    is_signed: bool


def server_context(certificate: Path, key: Path, authorities: Path | None = None) -> SSL.Context:
    """
    Return what a server needs for TLS 1.2 and 1.3; clients may show a certificate.

    `authorities` is a file of certificates in PEM that sign devices. Raises OperatorError for files that
    cannot be used.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    _load(certificate, lambda: context.use_certificate_chain_file(str(certificate)))
    _load(key, lambda: context.use_privatekey_file(str(key)))
    _load(key, context.check_privatekey)
    if authorities is not None:
        _load(authorities, lambda: context.load_verify_locations(str(authorities)))
    context.set_verify(SSL.VERIFY_PEER, _note_verdict)
    return context


def _load(file: Path, load: Callable[[], object]) -> None:
    try:
        load()
    except (SSL.Error, OSError):
        raise OperatorError(
            [
                Problem(
                    "",
                    "this cannot be used for TLS: it must be PEM, and a key must fit its certificate",
                    str(file),
                )
            ]
        ) from None


def _note_verdict(connection: SSL.Connection, _: Any, __: int, depth: int, ok: int) -> bool:
    """Let every certificate pass, and remember whether all of its chain was in order."""
    verdict: _Verdict = connection.get_app_data()
    verdict.was_asked = True
    verdict.is_signed = verdict.is_signed and bool(ok)
    return True


class _Verdict(Struct):
    was_asked: bool = False
    is_signed: bool = True


class TlsProtocol(asyncio.Protocol):
    """
    The TLS side of one connection, below a protocol of plain bytes.

    `inner` makes that protocol when the handshake is done; its transport is a `TlsTransport`. `arrived` is
    called when the connection is there, `lost` when it is gone, and `failed` then too where its handshake was
    not done. With `parting_seconds` None the protocol of plain bytes sees itself to peers that do not take the
    last bytes.
    """

    def __init__(
        self,
        context: SSL.Context,
        inner: Callable[[], asyncio.Protocol],
        arrived: Callable[[], None],
        lost: Callable[[], None],
        failed: Callable[[], None],
        *,
        handshake_seconds: float,
        parting_seconds: float | None = PARTING,
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self.context = context
        self._verdict = _Verdict()
        self._tls = SSL.Connection(context, None)
        self._tls.set_app_data(self._verdict)
        self._tls.set_accept_state()
        self._make_inner = inner
        self._inner: asyncio.Protocol | None = None
        self._arrived = arrived
        self._lost = lost
        self._failed = failed
        self._seconds = handshake_seconds
        self._parting = parting_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = self._is_closing = False

    # the transport below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        assert self.transport is not None  # noqa: S101 - said a line above
        self.transport.set_write_buffer_limits(high=HELD)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up)
        self._arrived()

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        try:
            self._tls.bio_write(data)
            if self._inner is None and not self._shake_hands():
                return
            self._read()
        except SSL.Error:
            self._break_off()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None and not self._is_closing else False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._lost()
        if self._inner is not None:
            self._inner.connection_lost(exc)
        else:
            self._failed()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    # the handshake

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error:
            self._flush()  # the alert that says why
            raise
        self._flush()
        self._stop_timer()
        self._inner = self._make_inner()
        self._inner.connection_made(TlsTransport(self))
        return True

    def set_inner(self, inner: asyncio.BaseProtocol) -> None:
        """Go on with another protocol of plain bytes."""
        self._inner = cast("asyncio.Protocol", inner)

    def _give_up(self) -> None:
        assert self.transport is not None  # noqa: S101 - the timer was set when it came
        self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def peer_certificate(self) -> PeerCertificate | None:
        """Return the certificate that the client has shown in this handshake, if it has shown one."""
        shown = self._tls.get_peer_certificate(as_cryptography=True)
        if shown is None or not self._verdict.was_asked:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._described(shown)
        except (ValueError, TypeError, x509.InvalidVersion):
            return None  # what cannot be read is nobody's

    def _described(self, shown: x509.Certificate) -> PeerCertificate:
        der = shown.public_bytes(Encoding.DER)
        return PeerCertificate(
            common_name=_common_name(shown),
            sha1=sha1(der, usedforsecurity=False).hexdigest().upper(),
            sha256=sha256(der).hexdigest().upper(),
            not_before=shown.not_valid_before_utc,
            not_after=shown.not_valid_after_utc,
            is_signed=self._verdict.is_signed,
        )

    # plain bytes

    def _read(self) -> None:
        try:
            while not self._is_paused and not self._is_closing and self._inner is not None:
                self._inner.data_received(self._tls.recv(RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:  # the peer ends TLS, and with it the connection
            self.close()

    def write(self, data: bytes) -> None:
        if self.is_closing or not data:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[self._tls.send(view) :]
            self._flush()
        except SSL.Error:
            self._break_off()

    def _flush(self) -> None:
        assert self.transport is not None  # noqa: S101 - nobody else calls
        with suppress(SSL.WantReadError):
            while True:
                self.transport.write(self._tls.bio_read(1 << 20))

    def pause_reading(self) -> None:
        self._is_paused = True
        if not self.is_closing and self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        if not self.is_closing and self.transport is not None:
            self.transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Read what was deciphered, or came, while reading was paused."""
        if self.is_closing:
            return
        try:
            self._read()
        except SSL.Error:
            self._break_off()

    @property
    def is_closing(self) -> bool:
        return self._is_closing or self.transport is None or self.transport.is_closing()

    def close(self) -> None:
        """
        End TLS, and the connection when the peer does; what it still sends is nobody's.

        To close at once would lose what was written last, where more is on its way to us (RFC 9112, 9.6).
        """
        if self.is_closing or self.transport is None:
            return
        if self._inner is None:
            self.transport.abort()
            return
        self._is_closing = True
        with suppress(SSL.Error):
            self._tls.shutdown()
        self._flush()
        self.transport.write_eof()
        if self._is_paused:
            self.transport.resume_reading()
        if self._parting is not None:
            asyncio.get_running_loop().call_later(self._parting, self.transport.abort)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _break_off(self) -> None:
        """Something on the wire is no TLS; what is broken cannot be ended well."""
        self._is_paused = True
        self.abort()


class TlsTransport(asyncio.Transport):
    """What a protocol of plain bytes writes to; `get_extra_info(PEER_CERTIFICATE)` is the client's, or None."""

    __slots__ = ("_tls",)

    def __init__(self, tls: TlsProtocol) -> None:
        super().__init__()
        self._tls = tls

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == PEER_CERTIFICATE:
            return self._tls.peer_certificate()
        if name == "sslcontext":
            return self._tls.context
        below = self._tls.transport
        return below.get_extra_info(name, default) if below is not None else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._tls.set_inner(protocol)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._tls.transport is not None:
            self._tls.transport.set_write_buffer_limits(high=high, low=low)

    def write(self, data: Any) -> None:
        self._tls.write(data)

    def get_write_buffer_size(self) -> int:
        below = self._tls.transport
        return below.get_write_buffer_size() if below is not None else 0

    def is_closing(self) -> bool:
        return self._tls.is_closing

    def pause_reading(self) -> None:
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        self._tls.resume_reading()

    def close(self) -> None:
        self._tls.close()

    def abort(self) -> None:
        self._tls.abort()


def _common_name(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None
