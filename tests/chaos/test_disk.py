"""A full disk, and a damaged one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.checks import assert_all_acknowledged_is_journalled, assert_live_and_rebuilt_agree
from tests.chaos.load import Load, expected, found, put_rules, script
from tests.serving import Serving, until

SMALL = 6 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("a small file system can only be mounted by root: run the tests as root for this one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room on the disk of a folder."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(1 << 16))
        except OSError:
            pass
    return ballast


@pytest.mark.parametrize("what", ["journal", "control"])
def test_S30_a_full_disk_is_said_and_over_when_there_is_room_again(
    tmp_path: Path, small_disk: Path, what: str
) -> None:
    where = (
        {"journal_folder": str(small_disk / "journal")}
        if what == "journal"
        else {
            "control_url": f"sqlite:///{small_disk / 'control.db'}",
            "ingest_queue_bytes": "512KiB",
            "http_max_body_bytes": "256KiB",
        }
    )
    said = script(devices=4, messages=400)
    serving = Serving(tmp_path / "data", **where)
    put_rules(serving)
    with Load(serving, said) as load:
        load.wait_for(100)
        ballast = fill(small_disk)
        until(lambda: serving.stranger.get("/readyz").status_code == 503, 20)
        until(lambda: load.refusals.get(503), 30)
        ballast.unlink()
        until(lambda: serving.stranger.get("/readyz").status_code == 200, 20)
    assert set(load.refusals) == {503}
    assert load.retry_after_missing == 0
    serving.settle()
    assert found(serving) == expected(said)
    assert serving.stop() == 0
    journal = small_disk / "journal" if what == "journal" else serving.folder / "journal"
    assert_all_acknowledged_is_journalled(load, journal)
    environment = {**os.environ, **{f"FENCEPOST_{key.upper()}": value for key, value in where.items()}}
    assert_live_and_rebuilt_agree(serving.folder, tmp_path / "again.db", **environment)


def test_a_damaged_segment_is_named_and_set_aside_and_the_rest_is_served(tmp_path: Path) -> None:
    said = script(devices=4, messages=200)
    serving = Serving(tmp_path / "data", journal_seal_bytes="1MiB")
    put_rules(serving)
    with Load(serving, said):
        pass
    serving.settle()
    before = found(serving)
    serving.kill()
    segment = max((serving.folder / "journal").glob("*.seg"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)
    serving.start()
    assert found(serving) == before
    assert segment.name in serving.log()
    assert serving.figure("fencepost_journal_damages") >= 1
    assert serving.send("dev-0", said["dev-0"][0]).status_code == 202
    assert serving.stop() == 0
    verify = subprocess.run(
        [sys.executable, "-m", "fencepost", "journal", "verify", "--data", str(serving.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verify.returncode == 1
    assert "missing" in verify.stdout + verify.stderr
