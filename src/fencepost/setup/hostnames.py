"""The names under which clients reach a server: DNS names, with a wildcard or without, and addresses."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from socket import gethostname

from fencepost.model.errors import OperatorError, Problem

STANDARD = ("localhost", "127.0.0.1", "::1")
LONGEST = 253
_SHOWN = 60
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def parse_hostname(text: str) -> str:
    """
    Return a name in lower case or an address in its shortest form; raises ValueError that says how to mend it.

    An underscore is let pass: it is not lawful, but such hosts are.
    """
    if is_address(text):
        return str(ip_address(text))
    if not text.isascii():
        raise ValueError(f"{_shown(text)}: write it in ASCII (punycode), as in xn--mnchen-3ya.example")
    if len(text) > LONGEST:
        raise ValueError(f"{_shown(text)}: a name has at most {LONGEST} characters, this one has {len(text)}")
    name = text.lower()
    wild, labels = name.startswith("*."), name.removeprefix("*.").split(".")
    if not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdecimal() or (wild and len(labels) == 1):
        mend = "write it as in gateway.example.com, *.example.com or 192.0.2.7"
        raise ValueError(f"{_shown(text)} is neither a DNS name nor an address: {mend}")
    return name


def parse_hostnames(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names, each once; raises OperatorError with all that are none."""
    names, problems = [], []
    for text in texts:
        try:
            names.append(parse_hostname(text))
        except ValueError as error:
            problems.append(Problem("--hostname", str(error)))
    if problems:
        raise OperatorError(problems)
    return tuple(dict.fromkeys(names))


def is_address(name: str) -> bool:
    """Whether a name is an address; one of a network interface (`fe80::1%eth0`) is none to a certificate."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return "%" not in name


def is_local(name: str) -> bool:
    """Whether a name means this very machine, wherever it is asked."""
    return name == "localhost" or (is_address(name) and ip_address(name).is_loopback)


def uncovered(asked: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return what is asked for and neither among the names nor matched by a wildcard of them."""
    known = set(names)
    return tuple(name for name in asked if name not in known and f"*.{name.partition('.')[2]}" not in known)


def machine_names() -> tuple[str, ...]:
    """Return this machine's own name, also without its domain; none where it is no DNS name."""
    try:
        name = parse_hostname(gethostname())
    except ValueError:
        return ()
    return (name,) if is_address(name) else tuple(dict.fromkeys((name, name.partition(".")[0])))


def _shown(text: str) -> str:
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}..."
