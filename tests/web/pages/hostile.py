"""An OpenID provider that says what a test wants, which no honest one would."""

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from fencepost.model.access import Grant
from fencepost.web.pages.provider import Provider

SECRET = "a-secret-that-both-know"
CLIENT = "fencepost"
Answer = tuple[int, dict[str, str], bytes]


class Hostile:
    """Listens on loopback; `answers` are by path, and may be replaced."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.other = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        self.answers: dict[str, Callable[[], Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
        }
        self.keys: list[Any] = [self.key.as_dict(private=False)]
        self.tokens: dict[str, Any] = {"access_token": "at", "token_type": "Bearer"}
        self.userinfo: dict[str, Any] = {}
        self.answers["/.well-known/openid-configuration"] = lambda: said(self.metadata)
        self.answers["/keys"] = lambda: said({"keys": self.keys})
        self.answers["/token"] = lambda: said(self.tokens)
        self.answers["/userinfo"] = lambda: said(self.userinfo)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def provider(self, **members: Any) -> Provider:
        described: dict[str, Any] = {
            "issuer": self.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "scopes": ("openid",),
            "button": "Sign in",
            "username_claim": "name",
            "groups_claim": "groups",
            "grants": (("admins", Grant("administrator")),),
        }
        return Provider(**{**described, **members})

    def signed(self, claims: dict[str, Any], algorithm: str = "RS256", key: Any = None, **header: str) -> str:
        """Return an ID token, whoever may have signed it."""
        content = json.dumps(claims).encode()
        if algorithm == "none":
            return unsigned(claims)
        protected = {"alg": algorithm, "kid": self.key.kid, **header}
        return jws.serialize_compact(protected, content, key or self.key, algorithms=[algorithm])

    def shared_key(self) -> OctKey:
        return OctKey.import_key(SECRET.encode())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))))

            def _answer(self, body: bytes) -> None:
                path = urlsplit(self.path).path
                form = parse_qs(body.decode())
                hostile.asked.append((path, form, self.headers.get("authorization", "")))
                status, headers, content = hostile.answers.get(path, lambda: said({}, 404))()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        return Handler


def said(body: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "kid": "first"}, claims)
    return ".".join(urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts) + "."
