"""Lists of users and of processes: how an entry means a name (S13, S14)."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import cached_property
from posixpath import normpath

from fencepost.model.event import Process, SignIn
from fencepost.model.rule import HASHES

NO_NAMES = frozenset({"", "?", "-", "(unknown user)", "(invalid user)"})
NOBODY = "(unknown)"
_DEVICE_PREFIX = re.compile(r"^\\device\\harddiskvolume\d+|^\\\\[?.]\\", re.IGNORECASE)


class User:
    """Who signed in: a name if one is known, a uid if one is stated."""

    __slots__ = ("name", "uid")

    def __init__(self, name: str | None, uid: str | None) -> None:
        self.name = name.lower() if name and "\\" in name else name
        self.uid = uid

    @property
    def value(self) -> str:
        """The user as an alert names it."""
        return self.name or self.uid or NOBODY


def name_of(record: SignIn) -> str | None:
    """Return the record's user name; None where it states none, or one that is no name."""
    name = record.user_name
    return None if name is None or name.strip() in NO_NAMES else name


def uid_of(record: SignIn) -> str | None:
    """Return the record's user id as text; None where it states none."""
    return None if record.user_id is None or record.user_id == "" else str(record.user_id)


class Likeness:
    """Entries by how they begin: two bisections find the one most like a text, however many there are."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._named = sorted((name.lower(), entry) for name, entry in named)

    def closest(self, text: str) -> tuple[int, str] | None:
        """
        Return the entry whose name shares the longest beginning with the text, behind that beginning's length.

        None if none shares two letters.
        """
        text = text.lower()
        place = bisect_left(self._named, (text, ""))
        neighbours = self._named[max(0, place - 1) : place + 1]
        shared = [(_shared(name, text), entry) for name, entry in neighbours]
        length, entry = max(shared, default=(0, ""))
        return (length, entry) if length > 1 else None


def _shared(one: str, other: str) -> int:
    """Count the letters with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _base(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]


class UserList:
    """
    A list of users.

    An entry means a name, a uid, `DOMAIN\\user`, or the `user` part of any domain; Windows names (those
    with a backslash) are compared without case.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = tuple(entries)
        self._exact = frozenset(self.entries)
        self._folded = frozenset(entry.lower() for entry in self.entries)
        self._likeness = Likeness((entry, entry) for entry in self.entries)

    def holds(self, user: User) -> bool:
        return self._means(user, self._exact, self._folded)

    def matching(self, user: User) -> str | None:
        """Return the first entry, as written, that means the user."""
        return next(
            (e for e in self.entries if self._means(user, frozenset({e}), frozenset({e.lower()}))), None
        )

    def nearest(self, user: User) -> str | None:
        """Return the entry that begins most like the user's name."""
        closest = self.closest(user)
        return closest[1] if closest is not None else None

    def closest(self, user: User) -> tuple[tuple[int, int], str] | None:
        """Return the nearest entry behind how near it is: of two lists the greater is nearer."""
        like = self._likeness.closest(user.value)
        return ((0, like[0]), like[1]) if like is not None else None

    def _means(self, user: User, exact: frozenset[str], folded: frozenset[str]) -> bool:
        name = user.name
        if name is not None:
            if "\\" in name:
                if name in folded or name.rpartition("\\")[2] in folded:
                    return True
            elif name in exact:
                return True
        return user.uid is not None and user.uid in exact


class Program:
    """What was started: a path, and its hash where the agent sends one."""

    __slots__ = ("digest", "path")

    def __init__(self, path: str, digest: str | None = None) -> None:
        self.path = canonical_path(path)
        self.digest = digest.lower() if digest else None

    @property
    def value(self) -> str:
        """The program as an alert names it."""
        return self.path


def canonical_path(path: str) -> str:
    """Return a path as it is compared: a Windows path in lower case and without its device prefix."""
    return _DEVICE_PREFIX.sub("", path).lower() if "\\" in path else path


def digest_of(process: Process) -> str | None:
    """Return the hash that the agent sends with a process, None where it sends none."""
    details = process.extra_details
    digest = details.get("Hash") if details else None
    return digest if isinstance(digest, str) and digest else None


class ProcessList:
    """
    A list of processes.

    An entry with a slash or backslash means the whole path, one without the base name; `*` and `?` are
    wildcards and `*` crosses slashes; `sha1:` and `sha256:` mean the hash. A Windows path that the agent
    states without a drive (`\\device\\harddiskvolume2\\...`) meets an entry with any drive, and the
    other way round; two different drives never meet.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = tuple(entries)
        self.paths: dict[str, int] = {}
        self.bases: dict[str, int] = {}
        self._digests: dict[str, int] = {}
        self._wild: list[tuple[int, str]] = []
        for place, entry in enumerate(self.entries):
            kind, _, rest = entry.partition(":")
            if kind.lower() in HASHES:
                self._digests.setdefault(rest.lower(), place)
            elif "*" in entry or "?" in entry:
                spellings = map(translate, _spellings(entry.replace("[", "[[]")))
                self._wild.append((place, "|".join(spellings)))
            elif "/" in entry or "\\" in entry:
                for spelling in _spellings(entry):
                    self.paths.setdefault(spelling, place)
            else:
                for name in (entry, entry.lower() + "\\"):
                    self.bases.setdefault(name, place)
        self._patterns = re.compile("|".join(pattern for _, pattern in self._wild)) if self._wild else None
        self._bases = Likeness((_base(entry), entry) for entry in self.entries)
        self._whole = Likeness((entry, entry) for entry in self.entries)

    def holds(self, program: Program) -> bool:
        """Return whether an entry means the program."""
        return self.has(program.path, program.digest)

    def has(self, path: str, digest: str | None = None) -> bool:
        """Return whether an entry means a program; `path` is canonical, `digest` that of the agent."""
        digest = digest.lower() if digest else None
        if "\\" in path:
            return self._has_windows(path) or digest in self._digests
        if path in self.paths or path.rpartition("/")[2] in self.bases:
            return True
        if self._patterns is not None and any(map(self._patterns.match, _texts_of(path))):
            return True
        return digest in self._digests

    def matching(self, program: Program) -> str | None:
        """Return the first entry, as written, that means the program."""
        exact = [self._digests.get(program.digest or ""), self.bases.get(_base_name(program.path))]
        exact += map(self.paths.get, _drives_of(program.path))
        places = [place for place in exact if place is not None]
        texts = _texts_of(program.path)
        wild = (place for place, pattern in self._singly if any(map(pattern.match, texts)))
        places += [place for place in (next(wild, None),) if place is not None]
        return self.entries[min(places)] if places else None

    def nearest(self, program: Program) -> str | None:
        """Return the entry that is written most like the program's base name, else like its path."""
        closest = self.closest(program)
        return closest[1] if closest is not None else None

    def closest(self, program: Program) -> tuple[tuple[int, int], str] | None:
        """Return the nearest entry behind how near it is: of two lists the greater is nearer."""
        if (like := self._bases.closest(_base(program.path))) is not None:
            return (1, like[0]), like[1]
        like = self._whole.closest(program.path)
        return ((0, like[0]), like[1]) if like is not None else None

    @cached_property
    def _singly(self) -> list[tuple[int, re.Pattern[str]]]:
        return [(place, re.compile(pattern)) for place, pattern in self._wild]

    def _has_windows(self, path: str) -> bool:
        if _base_name(path) in self.bases or any(spelling in self.paths for spelling in _drives_of(path)):
            return True
        return self._patterns is not None and any(map(self._patterns.match, _texts_of(path)))


def _texts_of(path: str) -> tuple[str, ...]:
    """Return the texts as which a program with a canonical path meets wildcards, see `_spellings`."""
    if "\\" in path:
        return (*_drives_of(path), f"\0{_base_name(path)}")
    path = normpath(path) if "/../" in path else path  # a way up leads out of what a wildcard means
    return path, f"\0{_base_name(path)}"


def _drives_of(path: str) -> tuple[str, ...]:
    """Return the whole path, and that on whatever drive where it names one."""
    return (path, "?" + path[2:]) if path[1:2] == ":" and "\\" in path else (path,)


def _base_name(path: str) -> str:
    """Return the text as which a program meets a base name, see `_spellings`."""
    return path.rpartition("\\")[2] + "\\" if "\\" in path else path.rpartition("/")[2]


def _spellings(entry: str) -> Iterator[str]:
    """
    Yield the texts that a program is compared with for one entry.

    `?\\path` stands for a Windows path on whatever drive, `\\0name` for a base name and `name\\` for one
    of Windows: characters that no path has in that place keep the kinds apart.
    """
    if "\\" in entry:
        path = canonical_path(entry)
        yield path
        yield path[2:] if path[1:2] == ":" else f"?{path}"
    elif "/" in entry:
        yield entry
    else:
        yield f"\0{entry}"
        yield f"\0{entry.lower()}\\"
