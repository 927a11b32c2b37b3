"""`fencepost devices` from the outside, against a real service."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.invocation import lines_of, run
from tests.serving import Serving
from typer.testing import Result

from fencepost.cli import device_import
from fencepost.client.hub import Hub
from fencepost.model.identity import IdentityKey
from fencepost.model.sas import is_key

KEY, OTHER = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
SHA1 = "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    running = Serving(tmp_path_factory.mktemp("devices") / "data", mqtt_port="0", amqp_port="0")
    put = running.admin.put("/v1/groups/cameras", json={"members": {"globs": ["glob-*"]}, "rules": []})
    assert put.is_success
    yield running
    assert running.stop() == 0


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FENCEPOST_")]:
        monkeypatch.delenv(name)


def devices(service: Serving, *arguments: object, stdin: bytes | None = None) -> Result:
    return run("devices", *arguments, "--url", service.url, "--data", service.folder, stdin=stdin)


def done(service: Serving, *arguments: object, stdin: bytes | None = None) -> str:
    result = devices(service, *arguments, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def report(service: Serving, *arguments: object) -> dict[str, Any]:
    [line] = lines_of(devices(service, *arguments, "--json"))
    return line


def refused(service: Serving, *arguments: object) -> str:
    result = devices(service, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr


def parts(connection_string: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in connection_string.strip().split(";"))


# add, show, connection-string


def test_a_device_that_is_added_has_new_keys_and_a_module_for_its_agent(service: Serving) -> None:
    said = done(service, "add", "add-1", "--group", "cameras")
    assert "It connects with (keep it secret):\n" in said
    connects = parts(said.splitlines()[1])
    assert (connects["HostName"], connects["DeviceId"]) == ("localhost", "add-1")
    assert is_key(connects["SharedAccessKey"])
    assert (
        said.splitlines()[3].strip() == "fencepost devices connection-string add-1 --module azureiotsecurity"
    )
    assert parts(done(service, "connection-string", "add-1")) == connects
    agent = parts(done(service, "connection-string", "add-1", "--module", "azureiotsecurity"))
    assert agent["ModuleId"] == "azureiotsecurity"
    assert agent["SharedAccessKey"] != connects["SharedAccessKey"]
    shown = report(service, "show", "add-1")
    assert (shown["group"], shown["tags"], shown["status"]) == (
        "cameras",
        {"SecurityGroup": "cameras"},
        "enabled",
    )
    assert [module["id"] for module in shown["modules"]] == ["azureiotsecurity"]


def test_a_device_can_bring_its_keys(service: Serving, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEY}\n{OTHER}\n")
    made = report(service, "add", "keys-1", "--keys-from", tmp_path / "keys", "--hostname", "hub.example")
    assert made == {
        "id": "keys-1",
        "group": None,
        "connection_string": f"HostName=hub.example;DeviceId=keys-1;SharedAccessKey={KEY}",
    }
    done(service, "add", "keys-2", "--keys-from", "-", stdin=KEY.encode())
    assert parts(done(service, "connection-string", "keys-2"))["SharedAccessKey"] == KEY
    assert parts(done(service, "connection-string", "keys-1", "--secondary"))["SharedAccessKey"] == OTHER


def test_a_device_can_sign_in_with_certificates(service: Serving) -> None:
    colons = ":".join(SHA1.lower()[at : at + 2] for at in range(0, 40, 2))
    done(service, "add", "cert-1", "--x509-thumbprint", colons, "--x509-thumbprint", "A" * 64)
    said = done(service, "add", "cert-2", "--x509-ca")
    assert "It connects with:\n" in said
    assert "DeviceId=cert-2;x509=true" in said
    shown = report(service, "show", "cert-1", "--keys")["authentication"]
    assert shown == {
        "type": "selfSigned",
        "primary_key": None,
        "secondary_key": None,
        "primary_thumbprint": SHA1,
        "secondary_thumbprint": "A" * 64,
    }
    assert report(service, "show", "cert-2")["authentication"]["type"] == "certificateAuthority"
    assert "it signs in without keys" in refused(service, "rotate-key", "cert-1")


def test_a_group_that_there_is_not_is_a_warning(service: Serving) -> None:
    result = devices(service, "add", "lost-1", "--group", "camras")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: there is no group camras: ")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("add", "a b"), "ID: an id is 1 to 128 letters"),
        (("add", "x", "--x509-thumbprint", "AB"), "--x509-thumbprint: a thumbprint is 40 (SHA-1) or 64"),
        (("add", "x", *(3 * ("--x509-thumbprint", SHA1))), "--x509-thumbprint: a device has two"),
        (("add", "x", "--x509-ca", "--x509-thumbprint", SHA1), "name one of them"),
        (("add", "x", "--keys-from", "missing"), "missing: there is no such file"),
        (("list", "--status", "off"), "--status: 'off' is neither enabled nor disabled"),
        (("rotate-key", "x", "--which", "both"), "--which: 'both' is neither primary nor secondary"),
        (("import", "missing"), "missing: the file cannot be read: No such file"),
        (("delete", "x"), "say --yes to delete: the keys are lost with the devices"),
        (("show", "nobody"), "nobody: there is no device of this id"),
        (("enable", "nobody"), "nobody: there is no device of this id"),
        (("delete", "nobody", "--yes"), "nobody: there is no device of this id"),
        (
            ("connection-string", "nobody", "--module", "m"),
            "nobody/m: there is no module of this id; `fencepost devices show nobody` names",
        ),
        (("import", "missing", "--new-only", "--enable"), "--new-only, --enable: choose one"),
    ],
)
def test_what_a_person_must_mend_is_one_line(service: Serving, options: tuple[str, ...], reason: str) -> None:
    said = refused(service, *options)
    assert reason in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("keys", ["", f"{KEY}\n{KEY}\n{KEY}\n", "c2hvcnQ=\n"])
def test_keys_that_are_none_are_not_taken(service: Serving, tmp_path: Path, keys: str) -> None:
    (tmp_path / "keys").write_text(keys)
    said = refused(service, "add", "x", "--keys-from", tmp_path / "keys")
    assert said.startswith("--keys-from: ")
    assert not keys or keys.split(maxsplit=1)[0] not in said


def test_a_device_is_added_once(service: Serving) -> None:
    done(service, "add", "once")
    assert refused(service, "add", "once") == (
        "once: it is registered already: `fencepost devices show once` shows it\n"
    )


def test_keys_are_shown_to_who_asks_for_them_only(service: Serving) -> None:
    secret = parts(done(service, "add", "secret-1").splitlines()[1])["SharedAccessKey"]
    for words in ("show secret-1", "show secret-1 --json", "list", "list --json"):
        assert secret not in done(service, *words.split())
    for words in ("show secret-1 --keys", "show secret-1 --keys --json"):
        said = done(service, *words.split())
        assert secret in said
        assert len({word for word in said.replace('"', " ").split() if len(word) == 44 and is_key(word)}) == 4


# list


def test_the_list_has_groups_in_force_states_and_limits(service: Serving) -> None:
    for device_id in ("glob-1", "glob-2", "glob-3"):
        done(service, "add", device_id)
    done(service, "disable", "glob-2", "--reason", "in stock")
    found = lines_of(devices(service, "list", "--group", "Cameras", "--json"))
    by_id = {row["id"]: row for row in found}
    assert [*by_id] == sorted(by_id)
    assert {"glob-1", "glob-2", "glob-3"} <= set(by_id)
    assert {row["group"] for row in found} == {"cameras"}
    assert (by_id["glob-2"]["status"], by_id["glob-1"]["status"]) == ("disabled", "enabled")
    [only] = lines_of(devices(service, "list", "--status", "disabled", "--group", "cameras", "--json"))
    assert only["id"] == "glob-2"
    assert set(only) == {
        *("id", "status", "group", "connected", "last_activity_at", "authentication", "tags"),
    }
    table = done(service, "list", "--group", "cameras", "--limit", 2)
    assert table.splitlines()[-1] == "2 devices and more: --limit shows them"
    assert len(lines_of(devices(service, "list", "--limit", 2, "--json"))) == 2


def test_a_device_that_sent_something_was_active(service: Serving) -> None:
    done(service, "add", "active-1")
    assert report(service, "show", "active-1")["last_activity_at"] is None
    service.send("active-1", b'{"Events": 7}')
    service.settle()
    shown = report(service, "show", "active-1")
    assert shown["last_activity_at"] is not None
    assert (shown["messages"], shown["rejected"], shown["connected"]) == (1, 1, False)
    assert "1 message, 0 events, 1 rejected" in done(service, "show", "active-1")
    assert "never" not in next(line for line in done(service, "list").splitlines() if "active-1" in line)


def test_a_device_that_is_known_but_not_registered_is_told_so(service: Serving) -> None:
    service.send("guest-1", b'{"Events": 7}')
    service.settle()
    said = "guest-1 is not registered, so it cannot connect; `fencepost devices add guest-1` registers it\n"
    assert refused(service, "show", "guest-1") == said


# enable, disable, delete, rotate-key


def test_devices_are_disabled_with_a_reason_and_enabled_again(service: Serving) -> None:
    for device_id in ("off-1", "off-2"):
        done(service, "add", device_id)
    said = done(service, "disable", "off-1", "off-2", "--reason", "stolen")
    assert said.splitlines() == ["off-1 is disabled", "off-2 is disabled"]
    assert "disabled: stolen" in done(service, "show", "off-1")
    assert report(service, "enable", "off-1") == {"id": "off-1", "status": "enabled"}
    shown = report(service, "show", "off-1")
    assert (shown["status"], shown["status_reason"]) == ("enabled", None)


def test_deleted_devices_are_gone(service: Serving) -> None:
    done(service, "add", "gone-1")
    assert done(service, "delete", "gone-1", "--yes") == "gone-1 is deleted\n"
    assert "gone-1 is not registered" in refused(service, "show", "gone-1")


def test_one_key_is_made_anew_and_the_other_stays(service: Serving) -> None:
    done(service, "add", "rotate-1")
    before = report(service, "show", "rotate-1", "--keys")["authentication"]
    made = report(service, "rotate-key", "rotate-1")
    after = report(service, "show", "rotate-1", "--keys")["authentication"]
    assert made["which"] == "secondary"
    assert parts(made["connection_string"])["SharedAccessKey"] == after["secondary_key"]
    assert after["primary_key"] == before["primary_key"]
    assert after["secondary_key"] != before["secondary_key"]
    said = done(service, "rotate-key", "rotate-1", "--which", "primary", "--module", "azureiotsecurity")
    assert "ModuleId=azureiotsecurity" in said
    assert report(service, "show", "rotate-1", "--keys")["authentication"] == after


# import and export


def exported(device_id: str, key: str = KEY, **members: Any) -> str:
    keys = {"primaryKey": key, "secondaryKey": OTHER}
    line = {"id": device_id, "eTag": "MQ==", "status": "enabled", "authentication": {"symmetricKey": keys}}
    return json.dumps({**line, **members})


def test_a_fleet_is_imported_with_its_keys_and_again_without_harm(service: Serving, tmp_path: Path) -> None:
    module = exported("fleet-0", OTHER, moduleId="azureiotsecurity")
    lines = [
        *(exported(f"fleet-{number}", tags={"SecurityGroup": "cameras"}) for number in range(150)),
        module,
    ]
    (tmp_path / "devices.txt").write_text("\n".join(lines))
    dry = report(service, "import", "devices.txt", "--dry-run")
    assert (dry["devices"], dry["modules"], dry["created"]) == (150, 1, 0)
    assert "there is no device" in refused(service, "show", "fleet-0")
    first = report(service, "import", "devices.txt")
    assert (first["created"], first["updated"], first["modules_put"], first["refused"]) == (150, 0, 1, [])
    assert parts(done(service, "connection-string", "fleet-149"))["SharedAccessKey"] == KEY
    agent = parts(done(service, "connection-string", "fleet-0", "--module", "azureiotsecurity"))
    assert agent["SharedAccessKey"] == OTHER
    assert report(service, "show", "fleet-7")["group"] == "cameras"
    again = done(service, "import", "devices.txt")
    assert again == "150 devices, 1 module: 0 created, 150 updated, 1 module put, 0 refused\n"


def test_modules_follow_their_device_wherever_they_stand(service: Serving, tmp_path: Path) -> None:
    done(service, "add", "mixed-2")
    lines = [
        *(exported("mixed-1", OTHER, moduleId=f"m{number}") for number in range(51)),
        *(exported(f"mixed-{number}", OTHER, moduleId="azureiotsecurity") for number in (1, 2, 3)),
        *(exported(f"mixed-{number}") for number in range(3, 120)),
        *(exported(f"mixed-{number}", KEY) for number in (1, 2)),
        *(exported("mixed-4", OTHER, moduleId=f"m{number}", properties=LARGE) for number in range(45)),
    ]
    (tmp_path / "devices.txt").write_text("\n".join(lines))
    result = devices(service, "import", "devices.txt")
    assert result.exit_code == 1
    assert "119 devices, 99 modules: 118 created, 1 updated, 97 modules put, 2 refused" in result.stdout
    assert [line.split(":")[2] for line in result.stderr.splitlines()] == [" mixed-1/m49", " mixed-1/m50"]
    for number in (1, 2, 3):
        agent = done(service, "connection-string", f"mixed-{number}", "--module", "azureiotsecurity")
        assert parts(agent)["SharedAccessKey"] == OTHER


LARGE = {"desired": {f"text-{number}": "x" * 4000 for number in range(7)}}


def test_a_file_with_anything_wrong_is_not_imported_unless_that_is_skipped(
    service: Serving, tmp_path: Path
) -> None:
    (tmp_path / "fleet.csv").write_text(f"id,primary_key\nskip-1,{KEY}\nbad id,{KEY}\nskip-2,short\n")
    result = devices(service, "import", "fleet.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(":")[:2] for line in result.stderr.splitlines()] == [
        ["fleet.csv", "3"],
        ["fleet.csv", "4"],
        ["nothing was imported", " mend these lines, or import the others with --skip-bad"],
    ]
    assert "there is no device" in refused(service, "show", "skip-1")
    result = devices(service, "import", "fleet.csv", "--skip-bad")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1] == "2 lines were skipped"
    assert report(service, "show", "skip-1")["status"] == "enabled"


def test_skipping_is_not_proposed_where_nothing_is_left(service: Serving, tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text("id,colour\nhue-1,red\n")
    assert refused(service, "import", "fleet.csv").endswith("\nnothing was imported\n")


def test_an_import_lets_no_device_in_again_that_is_disabled_here(service: Serving, tmp_path: Path) -> None:
    lines = [exported("out-1"), exported("out-2"), exported("out-1", moduleId="azureiotsecurity")]
    (tmp_path / "devices.txt").write_text("\n".join(lines))
    done(service, "import", "devices.txt")
    done(service, "disable", "out-1", "--reason", "stolen")
    new = report(service, "rotate-key", "out-1", "--which", "primary")["connection_string"]
    result = devices(service, "import", "devices.txt")
    assert result.exit_code == 1
    assert result.stdout == "2 devices, 1 module: 0 created, 1 updated, 1 module put, 1 refused\n"
    assert result.stderr == (
        "devices.txt:1: out-1: it is disabled here (stolen): --enable lets it in again\n"
    )
    assert status_of(service, "out-1") == ("disabled", "stolen")
    assert done(service, "connection-string", "out-1").strip() == new
    done(service, "import", "devices.txt", "--enable")
    assert status_of(service, "out-1") == ("enabled", None)
    assert parts(done(service, "connection-string", "out-1"))["SharedAccessKey"] == KEY


@pytest.mark.parametrize("status", ["", "disabled"])
def test_a_disabled_device_takes_what_does_not_enable_it(service: Serving, status: str) -> None:
    name = f"quiet-{status}"
    done(service, "add", name)
    done(service, "disable", name, "--reason", "stolen")
    done(service, "import", "-", stdin=f"id,primary_key,status\n{name},{KEY},{status}\n".encode())
    assert report(service, "show", name)["status"] == "disabled"
    assert parts(done(service, "connection-string", name))["SharedAccessKey"] == KEY


def test_what_names_no_status_keeps_it_and_is_enabled_if_it_is_new(service: Serving) -> None:
    done(service, "add", "same-1")
    done(service, "disable", "same-1", "--reason", "stolen")
    done(service, "import", "-", stdin=f"id,primary_key\nsame-1,{KEY}\nsame-2,{KEY}\n".encode())
    assert status_of(service, "same-1") == ("disabled", "stolen")
    assert status_of(service, "same-2") == ("enabled", None)


def test_a_device_that_is_disabled_while_an_import_runs_stays_so(
    service: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(hub: Hub) -> dict[IdentityKey, str | None]:
        return {}

    done(service, "add", "race-1")
    done(service, "disable", "race-1", "--reason", "stolen")
    monkeypatch.setattr(device_import, "_disabled", nothing)
    done(service, "import", "-", stdin=f"id,primary_key,status\nrace-1,{KEY},enabled\n".encode())
    assert status_of(service, "race-1") == ("disabled", "stolen")


def status_of(service: Serving, device_id: str) -> tuple[str, str | None]:
    shown = report(service, "show", device_id)
    return shown["status"], shown["status_reason"]


def test_only_what_is_new_is_imported_if_that_is_wanted(service: Serving, tmp_path: Path) -> None:
    done(service, "add", "old-1")
    done(service, "disable", "old-1", "--reason", "stolen")
    before = report(service, "show", "old-1", "--keys")
    pairs = [(name, module) for name in ("old-1", "new-1") for module in (None, "azureiotsecurity")]
    lines = [exported(name, moduleId=module, tags={"a": 1}) for name, module in pairs]
    (tmp_path / "devices.txt").write_text("\n".join(reversed(lines)))
    said = done(service, "import", "devices.txt", "--new-only")
    assert said == "2 devices, 2 modules: 1 created, 0 updated, 1 module put, 2 kept, 0 refused\n"
    assert report(service, "show", "old-1", "--keys") == before
    agent = done(service, "connection-string", "new-1", "--module", "azureiotsecurity")
    assert parts(agent)["SharedAccessKey"] == KEY
    again = report(service, "import", "devices.txt", "--new-only")
    assert (again["created"], again["modules_put"], again["kept"], again["refused"]) == (0, 0, 4, [])


def test_groups_that_there_are_not_are_named_once(service: Serving) -> None:
    rows = ["stray-1,walls", "stray-2,CAMERAS", "stray-3,fences", "stray-4,walls"]
    file = "\n".join(["id,group,primary_key", *(f"{row},{KEY}" for row in rows)]).encode()
    result = devices(service, "import", "-", stdin=file)
    assert result.exit_code == 0
    assert result.stderr == "warning: 3 devices name groups that there are not yet: fences, walls\n"
    said = done(service, "show", "stray-1")
    assert "default (its tag names walls: there is no such group yet)" in said
    assert "there is no such group" not in done(service, "show", "stray-2")


def test_lines_that_the_service_refuses_are_named_with_file_line_and_reason(
    service: Serving, tmp_path: Path
) -> None:
    lines = [exported("here-1"), exported("nobody-1", moduleId="m")]
    (tmp_path / "devices.txt").write_text("\n".join(lines))
    result = devices(service, "import", "devices.txt")
    assert result.exit_code == 1
    assert result.stderr == "devices.txt:2: nobody-1/m: nobody-1\n"
    assert "1 created, 0 updated, 0 modules put, 1 refused" in result.stdout


def test_devices_without_keys_are_a_warning_and_keep_those_that_they_have(
    service: Serving, tmp_path: Path
) -> None:
    done(service, "add", "nokey-1")
    before = done(service, "connection-string", "nokey-1")
    (tmp_path / "fleet.csv").write_text("id\nnokey-1\nnokey-2\n")
    result = devices(service, "import", "-", stdin=(tmp_path / "fleet.csv").read_bytes())
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: 2 lines name no keys: ")
    assert done(service, "connection-string", "nokey-1") == before


def test_what_was_exported_can_be_imported(service: Serving, tmp_path: Path) -> None:
    done(service, "add", "round-1", "--group", "cameras")
    done(service, "disable", "round-1", "--reason", "in stock")
    before = {name: report(service, "show", "round-1", "--keys")[name] for name in ROUND}
    said = done(service, "export", "devices.txt")
    assert "keep it secret" in said
    assert stat.S_IMODE((tmp_path / "devices.txt").stat().st_mode) == 0o600
    lines = [json.loads(line) for line in (tmp_path / "devices.txt").read_text().splitlines()]
    own = [line for line in lines if line["id"] == "round-1"]
    assert [line.get("moduleId") for line in own] == [None, "azureiotsecurity"]
    assert own[0]["authentication"]["symmetricKey"]["primaryKey"] == before["authentication"]["primary_key"]
    done(service, "delete", "round-1", "--yes")
    assert devices(service, "import", "devices.txt").exit_code == 0
    assert {name: report(service, "show", "round-1", "--keys")[name] for name in ROUND} == before
    streamed = [json.loads(line) for line in done(service, "export").splitlines()]
    assert {line["id"] for line in streamed} == {line["id"] for line in lines}


ROUND = ("status", "status_reason", "group", "authentication", "modules", "tags")


def test_an_export_overwrites_nothing(service: Serving, tmp_path: Path) -> None:
    (tmp_path / "devices.txt").write_text("mine")
    said = "devices.txt: it is there already: name another file, or remove it\n"
    assert refused(service, "export", "devices.txt") == said
    assert (tmp_path / "devices.txt").read_text() == "mine"


# the service itself


def test_a_service_that_is_not_there_is_told_at_once(service: Serving) -> None:
    result = run("devices", "list", "--url", "https://localhost:1", "--data", service.folder)
    assert result.exit_code == 2
    assert "nobody listens there" in result.stderr


@pytest.mark.parametrize("url", ["localhost:8443", "https://[::1", "http://hub.example"])
def test_an_address_that_is_none_is_one_line(service: Serving, url: str) -> None:
    result = run("devices", "list", "--url", url, "--data", service.folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("--url: ")
    assert result.stderr.count("\n") == 1


def test_a_wrong_token_is_one_line(service: Serving) -> None:
    said = refused(service, "list", "--token", "wrong")
    assert "the token is not accepted" in said
    assert said.count("\n") == 1
