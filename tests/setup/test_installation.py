"""A data folder: made once, completed after anything, and read back."""

import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from tests.setup.made import NOW, SETTINGS, contents, prepared

from fencepost.model.errors import OperatorError
from fencepost.setup.certificates import belong, is_signed_by, read_certificate, read_key
from fencepost.setup.installation import Installation, load

HERE = Path(__file__).parent
SECRETS = ("tokens.json", "hub.json", "tls/ca.key", "tls/server.key")
FILES = {".init.lock", "fencepost.toml", "identity.json", "tls/ca.pem", "tls/server.pem", *SECRETS}
FOLDERS = ("journal", "snapshots", "tls")


def reason_of(folder: Path, *hostnames: str, now: datetime = NOW) -> str:
    with pytest.raises(OperatorError) as caught:
        prepared(folder, *hostnames, now=now)
    return str(caught.value)


def assert_whole(installation: Installation) -> None:
    """Check everything that must hold of a data folder, by reading it anew."""
    folder = installation.folder
    assert set(contents(folder)) == FILES
    assert all(stat.S_IMODE((folder / name).stat().st_mode) == 0o600 for name in FILES)
    assert all(stat.S_IMODE((folder / name).stat().st_mode) == 0o700 for name in ("", *FOLDERS))
    authority = read_certificate((folder / "tls/ca.pem").read_bytes())
    server = read_certificate((folder / "tls/server.pem").read_bytes())
    assert belong(authority, read_key((folder / "tls/ca.key").read_bytes()))
    assert belong(server, read_key((folder / "tls/server.key").read_bytes()))
    assert is_signed_by(server, authority)
    assert load(folder).tokens == installation.tokens
    assert load(folder).identity == installation.identity
    assert load(folder).hub == installation.hub


def test_a_new_folder_has_everything_and_is_its_owners_alone(tmp_path: Path) -> None:
    installation = prepared(tmp_path / "srv" / "data", "a.example")
    assert_whole(installation)
    assert installation.warnings == ()
    assert set(installation.made) == FILES - {".init.lock"} | {f"{name}/" for name in FOLDERS}
    assert installation.settings_file.read_text() == SETTINGS
    assert {"a.example", "localhost", "127.0.0.1", "::1"} <= set(installation.hostnames)


def test_paths_are_absolute_whatever_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    installation = prepared(Path("data"))
    assert installation.folder == tmp_path / "data"
    assert installation.ca_file == tmp_path / "data" / "tls" / "ca.pem"
    assert load(Path("data")).tokens_file == tmp_path / "data" / "tokens.json"


def test_tokens_are_256_random_bits_that_scanners_know_and_logs_do_not(tmp_path: Path) -> None:
    installation = prepared(tmp_path)
    tokens = json.loads(installation.tokens_file.read_bytes())
    assert set(tokens) == {"admin", "ingest", "metrics"}
    assert all(re.fullmatch(rf"fp{name[0]}_[A-Za-z0-9_-]{{43}}", token) for name, token in tokens.items())
    assert not any(token in repr(installation) for token in tokens.values())


def test_ids_have_the_forms_that_azure_clients_expect(tmp_path: Path) -> None:
    identity = prepared(tmp_path).identity
    ids = [identity.subscription_id, identity.workspace_id, identity.tenant_id]
    assert [str(UUID(one)) for one in ids] == ids
    assert len(set(ids)) == 3
    assert (identity.resource_group, identity.location) == ("fencepost", "local")
    assert re.fullmatch(r"fencepost-[0-9a-f]{8}", identity.iothub_name)


def test_two_installations_share_nothing(tmp_path: Path) -> None:
    one, other = contents(prepared(tmp_path / "a").folder), contents(prepared(tmp_path / "b").folder)
    assert {name for name in one if one[name] == other[name]} == {".init.lock", "fencepost.toml"}


def test_a_second_run_changes_no_byte(tmp_path: Path) -> None:
    first = prepared(tmp_path, "a.example")
    before = contents(tmp_path)
    second = prepared(tmp_path)
    assert contents(tmp_path) == before
    assert second.made == ()
    assert (second.tokens, second.hostnames) == (first.tokens, first.hostnames)


# the name by which devices know the hub


def named(installation: Installation, *, local_only: bool = False) -> str:
    assert load(installation.folder).hub_name(local_only=local_only) == installation.hub_name(
        local_only=local_only
    )
    return installation.hub_name(local_only=local_only)


def test_the_hub_has_the_first_name_ever_given_whatever_is_given_later(tmp_path: Path) -> None:
    assert (
        named(prepared(tmp_path, "*.plant.example", "localhost", "127.0.0.2", "hub.example")) == "hub.example"
    )
    later = prepared(tmp_path, "new.example")
    assert later.hostnames[0] == "new.example"
    assert named(later) == "hub.example"
    assert json.loads((tmp_path / "identity.json").read_bytes())["hub_hostname"] == "hub.example"


def test_without_a_name_it_is_this_machine_until_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fencepost.setup.hostnames.gethostname", lambda: "edge-7")
    unnamed = prepared(tmp_path, "localhost")
    assert (named(unnamed), named(unnamed, local_only=True)) == ("edge-7", "localhost")
    assert "hub_hostname" not in json.loads((tmp_path / "identity.json").read_bytes())
    after = prepared(tmp_path, "hub.example")
    assert after.made == ("tls/server.pem", "identity.json")
    assert (named(after), named(after, local_only=True)) == ("hub.example", "hub.example")
    assert after.identity.iothub_name == unnamed.identity.iothub_name


def test_the_hubs_name_is_on_every_new_certificate(tmp_path: Path) -> None:
    prepared(tmp_path, "hub.example")
    (tmp_path / "tls" / "server.pem").unlink()
    assert named(prepared(tmp_path, "new.example")) == "hub.example"


def test_a_name_that_a_certificate_of_the_operator_does_not_cover_is_told_to_no_device(
    tmp_path: Path,
) -> None:
    installation = prepared(tmp_path / "data", "hub.example")
    other = prepared(tmp_path / "other" / "data", "new.example")
    installation.certificate.write_bytes(other.certificate.read_bytes())
    installation.key.write_bytes(other.key.read_bytes())
    assert named(prepared(tmp_path / "data")) == "new.example"


def test_a_name_is_recorded_only_with_a_certificate_that_covers_it(tmp_path: Path) -> None:
    prepared(tmp_path)
    (tmp_path / "tls" / "ca.key").unlink()
    assert "put the key of ca.pem back" in reason_of(tmp_path, "wrong.example")
    assert "hub_hostname" not in json.loads((tmp_path / "identity.json").read_bytes())


@pytest.mark.parametrize(
    "missing", ["tokens.json", "hub.json", "identity.json", "fencepost.toml", "journal", "snapshots"]
)
def test_what_is_missing_is_made_and_nothing_else_touched(tmp_path: Path, missing: str) -> None:
    prepared(tmp_path)
    before = contents(tmp_path)
    path = tmp_path / missing
    path.rmdir() if path.is_dir() else path.unlink()
    again = prepared(tmp_path)
    assert again.made == (f"{missing}/" if missing in FOLDERS else missing,)
    assert_whole(again)
    rest = {*before} - {missing}
    assert contents(tmp_path, rest) == {name: before[name] for name in rest}


@pytest.mark.parametrize("how", ["step", "time"])
def test_a_process_that_is_killed_at_any_instant_leaves_what_the_next_one_completes(
    tmp_path: Path, how: str
) -> None:
    command = [sys.executable, str(HERE / "killed.py"), str(tmp_path), how]
    subprocess.run(command, check=True, timeout=60)
    folders = sorted(path for path in tmp_path.iterdir() if path.name != "undisturbed")
    assert len(folders) >= (40 if how == "step" else 1)
    for folder in folders:
        everything = contents(folder)
        assert not any((folder / name).stat().st_mode & 0o077 for name in everything)
        before = {name: text for name, text in everything.items() if not name.endswith(".part")}
        assert_whole(prepared(folder, "a.example"))
        assert contents(folder, before) == before


def test_many_at_once_agree_on_one_installation(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        installations = list(pool.map(lambda _: prepared(tmp_path / "data"), range(8)))
    assert len({installation.tokens.admin for installation in installations}) == 1
    assert sorted(len(installation.made) for installation in installations) == [0] * 7 + [11]
    assert_whole(installations[0])


def test_many_processes_at_once_agree_on_one_installation(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from fencepost.setup.installation import prepare;"
        "made = prepare(Path(sys.argv[1]), [], lambda: datetime.now(UTC), settings='');"
        "print(made.tokens.admin)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    outputs = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(outputs) == 1


@pytest.mark.parametrize("names", [["notes.txt"], ["journal", "syslog"], [".hidden"], ["tls", "passwd"]])
def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    assert "holds other things: name one that is empty, or one that is not there" in reason_of(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("names", [[], ["lost+found"], ["tls"], ["identity.json.bak", ".init.lock"]])
def test_a_fresh_volume_and_a_half_made_folder_are_completed(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch() if "." in name else (tmp_path / name).mkdir(mode=0o700)
    assert prepared(tmp_path).made != ()
    assert load(tmp_path).warnings == ()


def test_secrets_that_others_can_read_are_told_and_not_touched(tmp_path: Path) -> None:
    prepared(tmp_path)
    for name in SECRETS:
        (tmp_path / name).chmod(0o644)
    for installation in (prepared(tmp_path), load(tmp_path)):
        assert [str(warning) for warning in installation.warnings] == [
            f"{tmp_path / name}: others can read this secret: chmod 600 {tmp_path / name}" for name in SECRETS
        ]
    assert all(stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o644 for name in SECRETS)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tokens.json", b"", "damaged"),
        ("tokens.json", b'{"admin": "fpa_', "truncated"),
        ("tokens.json", b"\xff\xfe", "JSON is malformed"),
        ("tokens.json", b'{"admin": "short", "ingest": "b", "metrics": "c"}', "$.admin"),
        ("tokens.json", b'{"admin": "%s"}' % (b"a" * 40), "missing required field `ingest`"),
        (
            "tokens.json",
            json.dumps(dict.fromkeys(("admin", "ingest", "metrics"), "s" * 40)).encode(),
            "differ",
        ),
        ("identity.json", b"[]", "Expected `object`"),
        ("identity.json", b'{"subscription_id": "../../etc"}', "$.subscription_id"),
    ],
)
def test_a_damaged_file_is_named_and_never_overwritten(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    prepared(tmp_path)
    (tmp_path / name).write_bytes(content)
    before = contents(tmp_path)
    said = reason_of(tmp_path)
    assert said.startswith(f"{tmp_path / name}: ")
    assert reason in said
    assert "restore it from your backup" in said
    assert "s" * 40 not in said
    assert contents(tmp_path) == before
    with pytest.raises(OperatorError, match=re.escape(name)):
        load(tmp_path)


def test_tokens_of_an_operators_own_choice_are_used(tmp_path: Path) -> None:
    own = {name: name * 10 for name in ("admin", "ingest", "metrics")}
    (tmp_path / "tokens.json").write_text(json.dumps(own))
    (tmp_path / "tokens.json").chmod(0o600)
    assert prepared(tmp_path).tokens.ingest == "ingest" * 10


def test_a_folder_that_cannot_be_made_is_said_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert reason_of(tmp_path / "file").startswith(f"{tmp_path / 'file'}: Not a directory")
    assert "Not a directory" in reason_of(tmp_path / "file" / "data")
    assert "File name too long" in reason_of(tmp_path / ("a" * 300))


def test_a_folder_that_may_not_be_written_is_said_with_the_reason(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("whoever runs this writes everywhere")
    reasons = [reason_of(folder) for folder in (closed, closed / "data")]
    closed.chmod(0o700)
    assert all("Permission denied: mend that and run the same command again" in said for said in reasons)


def test_a_disk_that_takes_no_more_is_said_with_the_file_and_the_next_run_completes(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from fencepost.setup.installation import prepare;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300));"
        "prepare(Path(sys.argv[1]), [], lambda: datetime.now(UTC), settings='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"fencepost.model.errors.OperatorError: {tmp_path / 'hub.json'}: File too large")
    before = contents(tmp_path)
    assert "tokens.json" in before
    assert not any(name.endswith(".part") for name in before)
    assert_whole(prepared(tmp_path))
    assert contents(tmp_path, before) == before


def test_wrong_names_are_said_before_anything_is_made(tmp_path: Path) -> None:
    said = reason_of(tmp_path / "data", "a b", "*", "fine.example", "x" * 300)
    assert said.count("\n") == 2
    assert not (tmp_path / "data").exists()


def test_what_was_made_is_read_back(tmp_path: Path) -> None:
    made = prepared(tmp_path, "a.example")
    read = load(tmp_path)
    for name in Installation.__struct_fields__:
        assert getattr(read, name) == ((), getattr(made, name))[name != "made"], name


def test_where_there_is_no_installation_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", HERE):
        with pytest.raises(OperatorError, match="there is no installation here: run fencepost init --data "):
            load(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["tokens.json", "identity.json", "tls/server.pem", "tls/server.key"])
def test_half_an_installation_is_none(tmp_path: Path, missing: str) -> None:
    prepared(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(OperatorError, match=rf"{missing}: .*missing: .*fencepost init"):
        load(tmp_path)
