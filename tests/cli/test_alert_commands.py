"""`fencepost alerts` from the outside, against a real service."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.invocation import run
from tests.cli.managed import Json, Managed, alone, event, running
from tests.serving import READY, until

from fencepost.cli import asking

LIST = {"type": "ConnectionToIpNotAllowed", "allow": ["10.20.7.0/24"]}
COUNTED = {"type": "ActiveConnectionsNotInAllowedRange", "min": 0, "max": 0, "window": "PT5M"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    for managed in running(tmp_path_factory.mktemp("alerts")):
        for name, rules in {"cameras": [LIST], "gateways": [LIST], "counted": [COUNTED]}.items():
            body = {"members": {"globs": [f"{name}-*"]}, "rules": rules}
            managed.serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()
        yield managed


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tmp_path, monkeypatch)


def alert_of(service: Managed, device_id: str, address: str = "203.0.113.9") -> Json:
    [alert] = service.connect(device_id, address)
    return alert


def state_of(service: Managed, alert_id: str) -> Any:
    return service.serving.admin.get(f"/v1/alerts/{alert_id}").raise_for_status().json()["alert"]["state"]


# list


def test_alerts_are_listed_by_what_is_asked_for(service: Managed) -> None:
    service.connect("cameras-list-1", "203.0.113.1", "203.0.113.2")
    service.connect("gateways-list-1", "203.0.113.1")

    def listed(*arguments: object) -> list[tuple[str, str]]:
        found = service.reports("alerts", "list", "--text", "list-1", *arguments)
        return sorted((alert["device_id"], alert["value"]) for alert in found)

    assert len(listed()) == 3
    assert listed("--group", "GATEWAYS") == [("gateways-list-1", "203.0.113.1")]
    assert len(listed("--device", "cameras-list-1")) == 2
    assert len(listed("--rule", "ConnectionToIpNotAllowed", "--severity", "low", "--state", "ACTIVE")) == 3
    assert listed("--rule", "ProcessNotAllowed") == []
    assert listed("--severity", "High", "--severity", "Medium") == []
    assert len(listed("--since", "1h")) == 3
    assert listed("--until", "1h") == []
    assert len(listed("--assigned-to", "")) == 3
    assert len(listed("--limit", "2")) == 2
    assert len(listed("--sort", "severity")) == 3


def test_a_list_has_a_short_id_for_each_alert_and_says_when_there_are_more(service: Managed) -> None:
    alerts = service.connect("cameras-list-2", "203.0.113.1", "203.0.113.2")
    said = service.done("alerts", "list", "--device", "cameras-list-2")
    assert all(alert["alert_id"][:8] in said for alert in alerts)
    assert said.endswith("\n2 alerts\n")
    said = service.done("alerts", "list", "--device", "cameras-list-2", "--limit", "1")
    assert said.endswith("\n1 alert and more: --limit or --all shows them\n")
    assert service.done("alerts", "list", "--device", "nobody") == "0 alerts\n"


def test_a_list_fits_80_columns(service: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    [alert] = service.connect("cameras-wide-1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")
    arguments = ("alerts", "list", "--url", service.serving.url, "--data", str(service.serving.folder))
    command = [sys.executable, "-m", "fencepost", *arguments]
    environment = {"COLUMNS": "80", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert alert["alert_id"][:8] in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--state", "Open"), "--state: 'Open' is none of Active, InProgress, Resolved, Dismissed\n"),
        (("--severity", "x"), "--severity: 'x' is none of Informational, Low, Medium, High\n"),
        (("--rule", "x"), "--rule: unknown rule type 'x'\n"),
        (("--sort", "x"), "--sort: 'x' is none of -started_at, "),
        (("--since", "yesterday"), "--since: 'yesterday' is no time: write 2026-12-24 "),
        (("--since", "0d"), "--since: '0d' is not between one second and 50 years\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_asked_for_is_said(service: Managed, arguments: tuple[str, ...], said: str) -> None:
    assert service.refused("alerts", "list", *arguments).startswith(said)


# show


def test_an_alert_is_shown_with_the_commands_that_come_next(service: Managed) -> None:
    alert = alert_of(service, "cameras-show-1")
    said = service.done("alerts", "show", alert["alert_id"][:8])
    for words in (
        alert["alert_id"],
        "Active, Low",
        "203.0.113.9",
        "cameras-show-1, of the group cameras",
        "RemotePort=4444",
        "open: Active",
        "--form network",
        f"fencepost alerts allow {alert['alert_id']} --scope group --form ",
        f"fencepost alerts resolve {alert['alert_id']} --comment",
        "fencepost alerts list --device cameras-show-1 --since 7d",
    ):
        assert words in said


def test_what_show_says_to_copy_works(service: Managed) -> None:
    alert = alert_of(service, "cameras-show-2", "203.0.113.77")
    shown = service.done("alerts", "show", alert["alert_id"]).splitlines()
    [line] = [line for line in shown if " allow " in line and line.endswith("--preview")]
    words = line.split(" --reason ")[0].split()[1:]
    assert "203.0.113.77" in service.done(*words, "--preview")


def test_an_alert_for_programs_has_its_history(service: Managed) -> None:
    alert = alert_of(service, "cameras-show-3")
    [line] = service.reports("alerts", "show", alert["alert_id"])
    assert line["alert"]["alert_id"] == alert["alert_id"]
    assert [step["action"] for step in line["history"]] == ["open"]


def test_the_alert_of_a_range_has_no_entry_that_would_allow_it(service: Managed) -> None:
    [alert] = _counted(service, "counted-1")
    said = service.done("alerts", "show", alert["alert_id"])
    assert "1 (0-0 in PT5M)" in said
    assert "alerts allow" not in said


def _counted(service: Managed, device_id: str) -> list[Json]:
    """Return the alert of a device that has one connection, and should have none."""
    facts = {"Protocol": "tcp", "Direction": "Out", "RemoteAddress": "203.0.113.9", "RemotePort": "4444"}
    service.send(device_id, [event("ConnectionCreate", 1, facts)])
    found: list[Json] = until(lambda: service.serving.alerts(device_id=device_id), READY)
    return found


@pytest.mark.parametrize("name", ["abc", "00000000", "no-such-alert-at-all"])
def test_an_id_that_names_no_alert_is_said(service: Managed, name: str) -> None:
    assert service.refused("alerts", "show", name).startswith(f"{name}: ")


def test_a_whole_id_that_names_no_alert_is_said(service: Managed) -> None:
    said = service.refused("alerts", "show", "00000000-0000-4000-8000-000000000000")
    assert "there is no alert of this id" in said


def test_values_that_would_move_the_cursor_are_shown_as_marks(service: Managed) -> None:
    body = {"members": {"globs": ["hostile-*"]}, "rules": [{"type": "ProcessNotAllowed", "allow": []}]}
    service.serving.admin.put("/v1/groups/hostile", json=body).raise_for_status()
    executable = "/opt/\x1b[2J\u202egnp.exe\x07"
    facts = {"Executable": executable, "ProcessId": 1, "ParentProcessId": 0}
    service.send("hostile-1", [event("ProcessCreate", 1, facts)])
    [alert] = until(lambda: service.serving.alerts(device_id="hostile-1"), READY)
    for arguments in (("list", "--device", "hostile-1"), ("show", alert["alert_id"])):
        said = service.done("alerts", *arguments)
        assert "gnp.exe" in said
        assert not set("\x1b\u202e\x07") & set(said)


# moving by hand


def test_alerts_are_moved_by_their_ids(service: Managed) -> None:
    alerts = service.connect("cameras-move-1", "203.0.113.1", "203.0.113.2")
    ids = [alert["alert_id"] for alert in alerts]
    assert service.done("alerts", "start", *[one[:8] for one in ids]) == "".join(
        f"{one[:8]}  InProgress\n" for one in ids
    )
    assert service.done("alerts", "activate", ids[0]) == f"{ids[0][:8]}  Active\n"
    assert service.done("alerts", "dismiss", ids[0]) == f"{ids[0][:8]}  Dismissed\n"
    assert service.done("alerts", "resolve", *ids, "--comment", "ticket 1207").count("Resolved") == 2
    assert "ticket 1207" in service.done("alerts", "show", ids[1])


def test_an_alert_that_cannot_be_moved_is_said_and_the_others_are(service: Managed) -> None:
    first, second = service.connect("cameras-move-2", "203.0.113.1", "203.0.113.2")
    service.done("alerts", "start", first["alert_id"])
    result = service.run("alerts", "start", first["alert_id"], second["alert_id"])
    assert result.exit_code == 1
    assert result.stdout == f"{second['alert_id'][:8]}  InProgress\n"
    assert result.stderr.startswith(f"{first['alert_id'][:8]}  not moved: an alert that is InProgress")


def test_alerts_of_a_filter_are_counted_and_asked_for(
    service: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = service.connect("cameras-move-3", "203.0.113.1", "203.0.113.2")
    result = service.run("alerts", "dismiss", "--device", "cameras-move-3")
    assert result.exit_code == 2
    assert result.stderr.endswith("there is nobody to ask: say --yes to dismiss 2 alerts\n")
    monkeypatch.setattr(asking, "is_attended", lambda: True)
    result = service.run("alerts", "dismiss", "--device", "cameras-move-3", stdin=b"n\n")
    assert result.exit_code == 1
    assert "Dismiss 2 alerts of https://" in result.stderr
    assert {state_of(service, alert["alert_id"]) for alert in alerts} == {"Active"}
    assert service.run("alerts", "dismiss", "--device", "cameras-move-3", "--yes").exit_code == 0
    assert {state_of(service, alert["alert_id"]) for alert in alerts} == {"Dismissed"}
    result = service.run("alerts", "dismiss", "--device", "cameras-move-3", "--yes")
    assert (result.exit_code, result.stderr) == (0, "no alert fits: nothing is done\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resolve",), "which alerts?"),
        (("resolve", "--state", "Active"), "which alerts?"),
        (("resolve", "abcdef", "--group", "cameras"), "name alerts by their ids or by a filter, not by both"),
        (("activate", "--group", "cameras"), "--state: say which alerts to activate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_would_move_too_much_is_refused(service: Managed, arguments: tuple[str, ...], said: str) -> None:
    assert service.refused("alerts", *arguments, "--yes").startswith(said)


def test_alerts_are_assigned_and_commented(service: Managed) -> None:
    alert_id = alert_of(service, "cameras-assign-1")["alert_id"]
    assert service.done("alerts", "assign", alert_id, "--to", "anna") == f"{alert_id[:8]}  is anna's\n"
    assert [one["alert_id"] for one in service.reports("alerts", "list", "--assigned-to", "anna")] == [
        alert_id
    ]
    service.done("alerts", "comment", alert_id, "--text", "asked the vendor")
    said = service.done("alerts", "show", alert_id)
    assert "assigned to      anna" in said
    assert "asked the vendor" in said
    assert service.reports("alerts", "assign", alert_id, "--nobody") == [
        {"alert_id": alert_id, "assigned_to": None}
    ]
    assert service.reports("alerts", "list", "--assigned-to", "anna") == []
    assert service.run("alerts", "assign", alert_id).exit_code == 2


def test_a_viewer_may_not_move_an_alert(service: Managed) -> None:
    alert_id, token = alert_of(service, "cameras-viewer-1")["alert_id"], service.token("viewer")
    said = service.refused("alerts", "resolve", alert_id, "--token", token)
    assert "this token does not allow it" in said
    assert state_of(service, alert_id) == "Active"
    assert "Active" in service.done("alerts", "show", alert_id, "--token", token)


def test_a_role_for_one_group_sees_nothing_of_another(service: Managed) -> None:
    mine, other = alert_of(service, "cameras-role-1"), alert_of(service, "gateways-role-1")
    token = service.token("analyst:cameras")
    found = service.reports("alerts", "list", "--text", "role-1", "--token", token)
    assert [one["alert_id"] for one in found] == [mine["alert_id"]]
    for command in (("show",), ("resolve",), ("undo",), ("assign", "--to", "me")):
        result = service.run("alerts", *command, other["alert_id"], "--token", token)
        assert result.exit_code in (1, 2)
        assert "gateways" not in result.stdout + result.stderr
    assert state_of(service, other["alert_id"]) == "Active"
    service.done("alerts", "resolve", mine["alert_id"], "--token", token)


# mending the list


def test_what_alerted_is_allowed_after_a_preview_and_taken_back(service: Managed) -> None:
    first, second = (
        alert_of(service, "cameras-allow-1", "192.0.2.5"),
        alert_of(service, "cameras-allow-2", "192.0.2.5"),
    )
    options = ("--scope", "group", "--for", "30d", "--reason", "the vendor's update")
    looked = service.done("alerts", "allow", first["alert_id"][:8], *options, "--preview")
    assert "192.0.2.5, on the list of the group cameras, until 2" in looked
    assert "2 open alerts: " in looked
    assert state_of(service, first["alert_id"]) == "Active"
    result = service.run("alerts", "allow", first["alert_id"], *options)
    assert result.exit_code == 2
    assert result.stderr == "there is nobody to ask: say --yes to do this, or --preview to look only\n"
    assert state_of(service, first["alert_id"]) == "Active"
    said = service.done("alerts", "allow", first["alert_id"], *options, "--yes")
    assert "192.0.2.5 is on the list of the group cameras, until 2" in said
    assert said.endswith(
        f": 2 alerts resolved\nTo take it back:\n  fencepost alerts undo {first['alert_id']}\n"
    )
    assert {state_of(service, one["alert_id"]) for one in (first, second)} == {"Resolved"}
    assert "by token/administrator" in service.done("groups", "show", "cameras")
    undone = service.done("alerts", "undo", first["alert_id"])
    assert undone.startswith("192.0.2.5 is off the list of the group cameras\n2 alerts are open again: ")
    assert {state_of(service, one["alert_id"]) for one in (first, second)} == {"Active"}
    assert "nothing that was allowed" in service.refused("alerts", "undo", first["alert_id"])


def test_a_wider_form_and_another_scope_can_be_allowed(service: Managed) -> None:
    alert = alert_of(service, "cameras-allow-3", "198.51.100.5")
    options = ("--scope", "device", "--form", "network", "--reason", "its own subnet", "--yes")
    [mended] = service.reports("alerts", "allow", alert["alert_id"], *options)
    assert (mended["scope"], mended["subject"], mended["entry"], mended["until"]) == (
        "device",
        "cameras-allow-3",
        "198.51.100.0/24",
        None,
    )
    assert state_of(service, alert["alert_id"]) == "Resolved"


def test_a_preview_for_programs_is_what_the_service_says(service: Managed) -> None:
    alert = alert_of(service, "cameras-allow-4", "198.51.100.6")
    options = ("--scope", "group", "--entry", "198.51.100.6:4444", "--preview", "--days", "3")
    [preview] = service.reports("alerts", "allow", alert["alert_id"], *options)
    assert (preview["entry"], preview["resolves"], preview["days"]) == (
        "198.51.100.6:4444",
        [alert["alert_id"]],
        3,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scope", "all", "--reason", "x"), "--scope: 'all' is none of fleet, group, device"),
        (("--scope", "group"), "--reason: say why"),
        (("--scope", "group", "--reason", "x", "--entry", "1.2.3.4", "--form", "exact"), "--entry, --form: "),
        (("--scope", "group", "--reason", "x", "--for", "1d", "--until", "2999-01-01"), "--for, --until: "),
        (("--scope", "group", "--reason", "x", "--for", "soon"), "--for: 'soon' is no length of time"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wish_that_is_none_is_refused_before_anything_is_asked(
    service: Managed, options: tuple[str, ...], said: str
) -> None:
    result = service.run("alerts", "allow", "00000000-0000-4000-8000-000000000000", *options, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)


def test_an_entry_that_is_on_the_list_already_changes_nothing(service: Managed) -> None:
    alert = alert_of(service, "gateways-allow-1", "192.0.2.44")
    options = ("--scope", "group", "--reason", "x", "--yes")
    service.done("alerts", "allow", alert["alert_id"], *options)
    said = service.done("alerts", "allow", alert["alert_id"], *options)
    assert said.endswith(
        "192.0.2.44 is on the list of the group gateways already, for good: nothing was changed\n"
    )


def test_what_a_deny_list_denies_is_taken_off_it(service: Managed) -> None:
    rule = {"type": "ConnectionToIpDenied", "deny": ["192.0.2.0/24", "198.51.100.1"]}
    body = {"members": {"globs": ["denied-*"]}, "rules": [rule]}
    service.serving.admin.put("/v1/groups/denied", json=body).raise_for_status()
    alert = alert_of(service, "denied-1", "198.51.100.1")
    options = ("--scope", "group", "--reason", "ours now", "--yes")
    said = service.done("alerts", "allow", alert["alert_id"], *options)
    assert "198.51.100.1 is off the list of the group denied, for good: 1 alert resolved" in said
    [group] = service.reports("groups", "show", "denied")
    assert group["rules"][0]["deny"] == ["192.0.2.0/24"]
    undone = service.done("alerts", "undo", alert["alert_id"])
    assert undone.startswith("198.51.100.1 is back, as before, on the list of the group denied\n")


def test_an_entry_that_does_not_allow_the_value_is_refused(service: Managed) -> None:
    alert = alert_of(service, "cameras-allow-5", "198.51.100.7")
    options = ("--scope", "group", "--entry", "192.0.2.99", "--reason", "x", "--yes")
    assert service.run("alerts", "allow", alert["alert_id"], *options).exit_code == 2
    assert state_of(service, alert["alert_id"]) == "Active"


def test_the_alert_of_a_range_cannot_be_allowed_and_that_is_said(service: Managed) -> None:
    [alert] = _counted(service, "counted-2")
    options = ("--scope", "group", "--reason", "x", "--yes")
    assert "bounds" in service.refused("alerts", "allow", alert["alert_id"], *options)


# watch


def test_alerts_are_watched_until_ctrl_c(service: Managed) -> None:
    with _watching(service, "--device", "cameras-watch-1", "--json") as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline().startswith("watching https://")
        service.connect("cameras-other-1", "203.0.113.1")
        alert = alert_of(service, "cameras-watch-1")
        assert watching.stdout is not None
        told = json.loads(watching.stdout.readline())
        assert (told["alert_id"], told["state"]) == (alert["alert_id"], "Active")
        service.done("alerts", "resolve", alert["alert_id"])
        assert json.loads(watching.stdout.readline())["state"] == "Resolved"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(READY) == 0
        assert "Traceback" not in watching.stderr.read()


def test_a_watched_alert_is_a_line_with_its_short_id(service: Managed) -> None:
    with _watching(service, "--device", "cameras-watch-2") as watching:
        assert watching.stderr is not None
        watching.stderr.readline()
        alert = alert_of(service, "cameras-watch-2")
        assert watching.stdout is not None
        line = watching.stdout.readline()
        assert f"{alert['alert_id'][:8]}  Low           Active      cameras-watch-2  " in line
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(READY) == 0


def test_a_watch_without_a_right_to_it_ends_with_a_line(service: Managed) -> None:
    result = service.run("alerts", "watch", "--token", "wrong")
    assert result.exit_code == 2
    assert "the token is not accepted" in result.stderr


@contextmanager
def _watching(service: Managed, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a watch in a process of its own, which ends with the test in any case."""
    place = ("--url", service.serving.url, "--data", str(service.serving.folder))
    command = [sys.executable, "-m", "fencepost", "alerts", "watch", *arguments, *place]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_wrong_url_is_one_line() -> None:
    result = run("alerts", "list", "--url", "https://localhost:1", "--token", "x")
    assert result.exit_code == 2
    assert "nobody listens there" in result.stderr
