import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.engine.names import ProcessList, Program, User, UserList


@pytest.mark.parametrize(
    ("entry", "path", "holds"),
    [
        ("/usr/bin/streamd", "/usr/bin/streamd", True),
        ("/usr/bin/streamd", "/opt/t/streamd", False),
        ("/usr/bin/streamd", "/usr/bin/STREAMD", False),
        ("sh", "/bin/sh", True),
        ("sh", "sh", True),
        ("sh", "/bin/bash", False),
        ("sh", "/sh/x", False),
        ("/opt/vendor/*", "/opt/vendor/bin/x", True),
        ("/opt/vendor/*", "/opt/vendors", False),
        ("nc*", "/usr/bin/nc.openbsd", True),
        ("nc*", "/usr/nc/x", False),
        ("python?", "/usr/bin/python3", True),
        ("python?", "/usr/bin/python", False),
        ("[a]", "/bin/[a]", True),
        ("[a]*", "/bin/[a]b", True),
        ("[a]*", "/bin/ab", False),
        ("svchost.exe", "C:\\Windows\\System32\\SVCHOST.EXE", True),
        ("C:\\Windows\\svchost.exe", "c:\\windows\\SVCHOST.exe", True),
        ("C:\\Windows\\svchost.exe", "\\device\\harddiskvolume2\\windows\\svchost.exe", True),
        ("C:\\Windows\\svchost.exe", "D:\\Windows\\svchost.exe", False),
        ("\\device\\harddiskvolume7\\windows\\svchost.exe", "C:\\Windows\\svchost.exe", True),
        ("C:\\Program Files\\*", "\\Device\\HarddiskVolume3\\Program Files\\x\\y.exe", True),
        ("C:\\Program Files\\*", "D:\\Program Files\\x.exe", False),
        ("SVC*.exe", "C:\\windows\\svchost.exe", True),
        ("SVC*.exe", "/usr/bin/svchost.exe", False),
    ],
)
def test_S14_a_process_entry_means_the_path_or_the_base_name(entry: str, path: str, holds: bool) -> None:
    program = Program(path)
    assert ProcessList((entry,)).holds(program) is holds
    assert (ProcessList((entry,)).matching(program) == entry) is holds


def test_S14_a_hash_entry_means_the_hash_whatever_the_path() -> None:
    digest = "6f3a1c0e9b7d5e2f4a8b0c1d2e3f405162738495"
    processes = ProcessList((f"sha1:{digest.upper()}",))
    assert processes.has("/opt/t/x", digest)
    assert not processes.has("/opt/t/x", "0" * 40)
    assert not processes.has("/opt/t/x")


def test_a_wildcard_entry_is_not_slow_on_a_hostile_path() -> None:
    assert not ProcessList(("*a*a*a*a*a*a*b",)).has("/" + "a" * 100_000)


@pytest.mark.parametrize(
    ("entry", "name", "uid", "holds"),
    [
        ("bob", "bob", None, True),
        ("bob", "Bob", None, False),
        ("1001", "bob", "1001", True),
        ("1001", None, "1001", True),
        ("1001", "bob", "1002", False),
        ("alice", "EDGE-PC\\Alice", None, True),
        ("edge-pc\\ALICE", "EDGE-PC\\alice", None, True),
        ("OTHER\\alice", "EDGE-PC\\alice", None, False),
        ("S-1-5-21-7", "EDGE-PC\\alice", "S-1-5-21-7", True),
        ("bob", None, None, False),
    ],
)
def test_S13_a_user_entry_means_name_uid_or_domain_user(
    entry: str, name: str | None, uid: str | None, holds: bool
) -> None:
    assert UserList((entry,)).holds(User(name, uid)) is holds
    assert (UserList((entry,)).matching(User(name, uid)) == entry) is holds


def test_the_nearest_entry_is_the_one_written_most_like_the_value() -> None:
    assert (
        ProcessList(("/usr/bin/streamd", "/usr/bin/curl")).nearest(Program("/usr/bin/curll"))
        == "/usr/bin/curl"
    )
    assert ProcessList(("/usr/bin/streamd", "/opt/x")).nearest(Program("/opt/y")) == "/opt/x"
    assert UserList(("service", "admin")).nearest(User("admln", None)) == "admin"
    assert UserList(("service", "admin")).nearest(User("zoe", None)) is None
    assert UserList(()).nearest(User("x", None)) is None


@given(
    st.lists(
        st.sampled_from(
            (
                "sh",
                "/bin/sh",
                "*",
                "/bin/*",
                "s?",
                "CMD.EXE",
                "C:\\a\\cmd.exe",
                "\\a\\*",
                f"sha1:{'0' * 40}",
                "b/sh",
            )
        ),
        max_size=8,
    ),
    st.sampled_from(
        ("/bin/sh", "sh", "/bin/../sh", "c:\\A\\cmd.exe", "\\device\\harddiskvolume1\\a\\cmd.exe", "a/b/sh")
    ),
    st.sampled_from((None, "0" * 40, "1" * 40)),
)
def test_S14_the_entry_that_matches_is_the_first_that_holds(
    entries: list[str], path: str, digest: str | None
) -> None:
    """However many there are, without asking each of them."""
    program = Program(path, digest)
    first = next((entry for entry in entries if ProcessList((entry,)).holds(program)), None)
    assert ProcessList(entries).matching(program) == first
