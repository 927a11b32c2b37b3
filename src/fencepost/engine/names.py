"""Lists of users and of processes: how an entry means a name (S13, S14)."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from fnmatch import translate
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

    def nearest(self, text: str) -> str | None:
        """Return the entry whose name shares the longest beginning with the text; None if none shares two letters."""
        text = text.lower()
        place = bisect_left(self._named, (text, ""))
        neighbours = self._named[max(0, place - 1) : place + 1]
        shared = [(_shared(name, text), entry) for name, entry in neighbours]
        length, entry = max(shared, default=(0, ""))
        return entry if length > 1 else None


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
        return self._likeness.nearest(user.value)

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
        self._singly: list[tuple[str, ProcessList]] | None = None
        self.paths: set[str] = set()
        self.bases: set[str] = set()
        self._digests: set[str] = set()
        patterns: list[str] = []
        for entry in self.entries:
            kind, _, rest = entry.partition(":")
            if kind.lower() in HASHES:
                self._digests.add(rest.lower())
            elif "*" in entry or "?" in entry:
                patterns += map(translate, _spellings(entry.replace("[", "[[]")))
            elif "/" in entry or "\\" in entry:
                self.paths.update(_spellings(entry))
            else:
                self.bases.update((entry, entry.lower() + "\\"))
        self._patterns = re.compile("|".join(patterns)) if patterns else None
        self._bases = Likeness((_base(entry), entry) for entry in self.entries)
        self._whole = Likeness((entry, entry) for entry in self.entries)

    def holds(self, path: str, digest: str | None = None) -> bool:
        """Return whether an entry means the program; `path` is canonical, `digest` that of the agent."""
        digest = digest.lower() if digest else None
        if "\\" in path:
            return self._holds_windows(path) or digest in self._digests
        if path in self.paths or path.rpartition("/")[2] in self.bases:
            return True
        if self._patterns is not None:
            path = normpath(path) if "/../" in path else path  # a way up leads out of what a wildcard means
            base = path.rpartition("/")[2]
            if self._patterns.match(path) or self._patterns.match("\0" + base):
                return True
        return digest in self._digests

    def matching(self, program: Program) -> str | None:
        """Return the first entry, as written, that means the program."""
        if self._singly is None:
            self._singly = [(entry, ProcessList((entry,))) for entry in self.entries]
        return next((e for e, single in self._singly if single.holds(program.path, program.digest)), None)

    def nearest(self, program: Program) -> str | None:
        """Return the entry that is written most like the program's base name, else like its path."""
        return self._bases.nearest(_base(program.path)) or self._whole.nearest(program.path)

    def _holds_windows(self, path: str) -> bool:
        base = path.rpartition("\\")[2]
        spellings = (path, "?" + path[2:]) if path[1:2] == ":" else (path,)
        if base + "\\" in self.bases or any(spelling in self.paths for spelling in spellings):
            return True
        if self._patterns is None:
            return False
        return any(self._patterns.match(text) for text in (*spellings, f"\0{base}\\"))


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
