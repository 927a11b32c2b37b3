"""Files of the data folder: modes, wholeness, and one maker at a time."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fencepost.model.errors import OperatorError
from fencepost.setup.data_folder import LARGEST, DataFolder, locked, make_folder


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    old = os.umask(request.param)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_folders_are_their_owners_whatever_the_umask(tmp_path: Path, umask: None) -> None:
    make_folder(tmp_path / "a")
    data = DataFolder(tmp_path / "a")
    data.create("secret", b"x")
    data.replace("secret", b"y")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "secret")) == (0o700, 0o600)


def test_a_secret_is_out_of_others_reach_before_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: None
) -> None:
    seen = []
    opened = os.open

    def watched(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = opened(path, flags, mode)
        seen.append((Path(path).name, stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o177))
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    DataFolder(tmp_path).create("secret", b"x")
    assert seen[0] == (".secret.part", 0)


def test_what_is_there_is_never_made_again(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    data.create("secret", b"first")
    with pytest.raises(FileExistsError):
        data.create("secret", b"second")
    assert (data.read("secret"), data.made) == (b"first", ["secret"])


def test_a_link_that_leads_nowhere_is_neither_missing_nor_overwritten(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    (tmp_path / "secret").symlink_to(tmp_path / "unmounted")
    with pytest.raises(FileNotFoundError):
        data.read("secret")
    with pytest.raises(FileExistsError):
        data.create("secret", b"new")
    assert (tmp_path / "secret").is_symlink()


def test_a_file_without_bounds_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zeros").symlink_to("/dev/zero")
    with pytest.raises(OperatorError, match=f"larger than {LARGEST} bytes"):
        DataFolder(tmp_path).read("zeros")


def test_what_a_killed_process_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    (tmp_path / ".secret.part").write_bytes(b"half")
    data.create("secret", b"whole")
    (tmp_path / ".other.part").write_bytes(b"half")
    data.sweep("other")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_part_that_somebody_linked_elsewhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / ".secret.part").symlink_to(tmp_path / "theirs")
    DataFolder(tmp_path).create("secret", b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    data = DataFolder(tmp_path)
    with pytest.raises(OSError, match="secret") as caught:
        data.replace("secret", b"x")
    assert caught.value.filename == str(tmp_path / "secret")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_secrets_that_others_can_reach_are_told_with_the_command_that_mends_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    data = DataFolder(tmp_path)
    data.create("open", b"x")
    data.create("closed", b"x")
    (tmp_path / "open").chmod(0o640)
    reasons = [problem.reason for problem in data.exposures(["open", "closed", "missing"])]
    assert [reason.partition(": ")[2] for reason in reasons] == [
        f"chmod 700 {tmp_path}",
        f"chmod 600 {tmp_path}/open",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_told(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    (warning,) = DataFolder(tmp_path).exposures([])
    os.chown(tmp_path, 0, -1)
    assert "another user (uid 12345): run fencepost as that user" in warning.reason


def test_a_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    inside: list[str] = []

    def enter(name: str) -> None:
        with locked(tmp_path / "lock"):
            inside.append(name)
            assert inside == [name]
            inside.clear()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, map(str, range(100))))


def test_a_lock_that_is_kept_too_long_is_an_operators_fault(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(OperatorError, match=r"another fencepost .* end it first"),
        locked(tmp_path / "lock", patience=0.05),
    ):
        pass
