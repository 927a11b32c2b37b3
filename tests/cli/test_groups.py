"""`fencepost groups` from the outside, against a real service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.invocation import run
from tests.cli.managed import Managed, alone, running

from fencepost.cli import asking

FILE = """\
groups:
  {name}:
    description: first floor
    members: {{globs: ["{name}-*"]}}
    rules:
      - {{type: FailedLocalLoginsNotInAllowedRange, min: 0, max: 3, window: PT10M}}
      - type: ConnectionToIpNotAllowed
        allow:
          - 10.20.7.0/24
          - {{entry: 203.0.113.9, reason: the vendor's update, until: 2999-12-24T00:00:00Z}}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    yield from running(tmp_path_factory.mktemp("groups"))


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    yield from running(tmp_path_factory.mktemp("pruned"))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tmp_path, monkeypatch)


def written(name: str, *edits: tuple[str, str], file: str = "groups.yaml") -> Path:
    """Write a groups file with one group of this name, in which some words are others."""
    text = FILE.format(name=name)
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    Path(file).write_text(text)
    return Path(file)


# apply and diff


def test_a_file_that_is_applied_is_in_force_and_then_there_is_nothing_to_do(service: Managed) -> None:
    file = written("floor-1")
    said = service.done("groups", "apply", file, "--yes")
    assert said.splitlines() == [
        "+ group floor-1",
        "  + description: first floor",
        "  + members.globs: floor-1-*",
        "  + FailedLocalLoginsNotInAllowedRange: min 0, max 3, window PT10M",
        "  + ConnectionToIpNotAllowed",
        "    + 10.20.7.0/24",
        "    + 203.0.113.9  (until 2999-12-24 00:00: the vendor's update)",
        "group floor-1: made; 0 alerts changed their state",
    ]
    nothing = "nothing to do: the service has what the files say\n"
    assert service.done("groups", "apply", file) == nothing
    assert service.done("groups", "diff", file) == nothing


def test_a_diff_names_each_rule_and_entry_and_exits_with_1(service: Managed) -> None:
    service.done("groups", "apply", written("diff-1"), "--yes")
    changed = written(
        "diff-1",
        ("max: 3", "max: 5, severity: High"),
        ("10.20.7.0/24", "10.20.8.0/24"),
        (", until: 2999-12-24T00:00:00Z", ""),
        ("first floor", "second floor"),
    )
    result = service.run("groups", "diff", changed)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "~ group diff-1",
        "  ~ description: first floor -> second floor",
        "  ~ FailedLocalLoginsNotInAllowedRange",
        "    ~ max: 3 -> 5",
        "    + severity: High",
        "  ~ ConnectionToIpNotAllowed",
        "    - 10.20.7.0/24",
        "    + 10.20.8.0/24",
        "    ~ 203.0.113.9: until 2999-12-24 00:00: the vendor's update -> for good: the vendor's update",
    ]


def test_a_diff_for_programs_has_a_line_for_each_group(service: Managed) -> None:
    service.done("groups", "apply", written("json-1"), "--yes")
    result = service.run("groups", "diff", written("json-1", ("max: 3", "max: 4")), "--json")
    assert result.exit_code == 1
    [line] = service.reports("groups", "apply", "groups.yaml", "--dry-run")
    assert line == {
        "subject": "group/json-1",
        "change": "update",
        "differences": [
            {
                "sign": "~",
                "rule": "FailedLocalLoginsNotInAllowedRange",
                "key": "max",
                "before": 3,
                "after": 4,
            }
        ],
    }
    [applied] = service.reports("groups", "apply", "groups.yaml", "--yes")
    assert applied == {**line, "effect": "0 alerts changed their state"}
    assert service.reports("groups", "apply", "groups.yaml", "--yes") == []


def test_nothing_is_applied_without_a_yes_where_nobody_can_be_asked(service: Managed) -> None:
    result = service.run("groups", "apply", written("ask-1"))
    assert result.exit_code == 2
    assert result.stderr == "there is nobody to ask: say --yes to apply this, or --dry-run to look only\n"
    assert "there is no group" in service.refused("groups", "show", "ask-1")


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1)])
def test_a_person_is_asked(
    service: Managed, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: int
) -> None:
    name = f"asked-{code}"
    file = written(name)
    monkeypatch.setattr(asking, "is_attended", lambda: True)
    result = service.run("groups", "apply", file, stdin=answer)
    assert result.exit_code == code
    assert f"Change 1 group of {service.serving.url}?" in result.stderr
    assert (service.run("groups", "show", name).exit_code == 0) == (code == 0)


def test_a_dry_run_changes_nothing(service: Managed) -> None:
    assert service.done("groups", "apply", written("dry-1"), "--dry-run").startswith("+ group dry-1\n")
    assert "there is no group" in service.refused("groups", "show", "dry-1")


def test_an_entry_without_a_note_keeps_the_one_it_has(service: Managed) -> None:
    service.done("groups", "apply", written("note-1"), "--yes")
    noted = "{entry: 203.0.113.9, reason: the vendor's update, until: 2999-12-24T00:00:00Z}"
    bare = written("note-1", (noted, "203.0.113.9"), ("max: 3", "max: 4"))
    assert "203.0.113.9" not in service.done("groups", "apply", bare, "--yes")
    shown = service.done("groups", "show", "note-1")
    assert "203.0.113.9  (until 2999-12-24 00:00; by token/administrator, " in shown


def test_an_entry_that_has_ended_is_left_out_and_said(service: Managed) -> None:
    file = written("ended-1", ("2999-12-24", "2024-12-24"))
    result = service.run("groups", "apply", file, "--yes")
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: group ended-1: ConnectionToIpNotAllowed: 203.0.113.9 has ended: it is left out\n"
    )
    assert "203.0.113.9" not in service.done("groups", "show", "ended-1")
    assert service.run("groups", "diff", file).exit_code == 0


def test_the_fleet_and_devices_of_a_file_are_applied_and_emptied_again(service: Managed) -> None:
    lists = "{type: ConnectionToIpNotAllowed, allow: [%s]}"
    text = FILE.format(name="layer-1") + (
        f'fleet: {{rules: [{lists % "192.0.2.1"}]}}\ndevices: {{"cam#1": {{rules: [{lists % "192.0.2.2"}]}}}}\n'
    )
    Path("groups.yaml").write_text(text)
    said = service.done("groups", "apply", "groups.yaml", "--yes")
    assert "~ fleet\n  + ConnectionToIpNotAllowed\n    + 192.0.2.1\n" in said
    assert "~ device cam#1\n  + ConnectionToIpNotAllowed\n    + 192.0.2.2\n" in said
    assert service.run("groups", "diff", "groups.yaml").exit_code == 0
    get = service.serving.admin.get
    assert get("/v1/fleet").json()["rules"][0]["allow"] == ["192.0.2.1"]
    assert get("/v1/devices/cam%231/overrides").json()["rules"][0]["allow"] == ["192.0.2.2"]
    Path("groups.yaml").write_text(
        FILE.format(name="layer-1") + 'fleet: {rules: []}\ndevices: {"cam#1": {rules: []}}\n'
    )
    said = service.done("groups", "apply", "groups.yaml", "--yes")
    assert said.startswith("~ fleet\n  - ConnectionToIpNotAllowed\n    - 192.0.2.1\n")
    assert get("/v1/fleet").json()["rules"] == []
    assert get("/v1/devices/cam%231/overrides").json()["rules"] == []


def test_what_a_file_has_wrong_is_said_with_its_line_and_nothing_is_applied(service: Managed) -> None:
    good = written("good-1", file="good.yaml")
    bad = written("bad-1", ("max: 3", "max: -3"), ("PT10M", "10m"), file="bad.yaml")
    said = service.refused("groups", "apply", good, bad, "--yes")
    assert said.count("bad.yaml:6: groups.bad-1.rules[0]") == 2
    assert "there is no group" in service.refused("groups", "show", "good-1")


def test_a_group_that_two_files_name_is_refused(service: Managed) -> None:
    written("twice-1", file="a.yaml")
    written("Twice-1", file="b.yaml")
    said = service.refused("groups", "apply", "a.yaml", "b.yaml", "--yes")
    assert said == "b.yaml:2: groups.Twice-1: it stands in a.yaml too: keep one of them\n"


def test_what_the_service_refuses_is_said_with_what_was_done_and_what_was_not(service: Managed) -> None:
    names = ("part-1", "x" * 129, "part-2")
    Path("groups.yaml").write_text("groups: {" + ", ".join(f"{name}: {{}}" for name in names) + "}")
    result = service.run("groups", "apply", "groups.yaml", "--yes")
    assert result.exit_code == 2
    assert result.stdout.endswith("group part-1: made; 0 alerts changed their state\n")
    refusal, rest = result.stderr.splitlines()
    assert refusal.startswith("groups.yaml:1: groups.xxx")
    assert "128" in refusal
    assert rest == f"not changed: group {'x' * 129}, group part-2"
    assert service.run("groups", "show", "part-1").exit_code == 0
    assert "there is no group" in service.refused("groups", "show", "part-2")


def test_a_file_can_come_from_the_standard_input(service: Managed) -> None:
    said = service.done("groups", "apply", "-", "--yes", stdin=FILE.format(name="stdin-1").encode())
    assert said.startswith("+ group stdin-1\n")


def test_a_file_without_a_default_group_leaves_that_as_it_is(service: Managed) -> None:
    before = service.reports("groups", "show", "default")
    service.done("groups", "apply", written("nodefault-1"), "--yes")
    assert service.reports("groups", "show", "default") == before


def test_server_addresses_of_a_file_have_no_effect_and_that_is_said(service: Managed) -> None:
    Path("groups.yaml").write_text("server_addresses: [192.0.2.1]\n" + FILE.format(name="server-1"))
    result = service.run("groups", "apply", "groups.yaml", "--yes")
    assert result.exit_code == 0
    assert "server_addresses: the service goes by its own setting (none)" in result.stderr


def test_an_id_that_moves_from_one_group_to_another_is_applied_in_one_go(service: Managed) -> None:
    text = "groups:\n  move-b: {members: {ids: [%s]}}\n  move-a: {members: {ids: [%s]}}\n"
    Path("groups.yaml").write_text(text % ("", "cam-7"))
    service.done("groups", "apply", "groups.yaml", "--yes")
    Path("groups.yaml").write_text(text % ("cam-7", ""))
    said = service.done("groups", "apply", "groups.yaml", "--yes").splitlines()
    assert [line.split(":")[0] for line in said[-2:]] == ["group move-a", "group move-b"]


def test_prune_deletes_what_no_file_names_but_never_the_default(fresh: Managed) -> None:
    fresh.done("groups", "apply", written("stays"), "--yes")
    fresh.done("groups", "apply", written("goes"), "--yes")
    written("stays")
    assert "goes" not in fresh.done("groups", "diff", "groups.yaml")
    result = fresh.run("groups", "diff", "groups.yaml", "--prune")
    assert (result.exit_code, result.stdout) == (1, "- group goes\n  - 2 rules\n")
    fresh.done("groups", "apply", "groups.yaml", "--prune", "--yes")
    assert [line["name"] for line in fresh.reports("groups", "list")] == ["default", "stays"]


def test_a_change_that_somebody_else_makes_meanwhile_is_not_overwritten(
    service: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.done("groups", "apply", written("race-1"), "--yes")
    file = written("race-1", ("max: 3", "max: 4"))

    def meanwhile(*_: object, **__: object) -> None:
        body = service.serving.admin.get("/v1/groups/race-1").json() | {"description": "theirs"}
        service.serving.admin.put("/v1/groups/race-1", json=body).raise_for_status()

    monkeypatch.setattr("fencepost.cli.groups_apply.ask", meanwhile)
    result = service.run("groups", "apply", file)
    assert result.exit_code == 2
    assert "groups.race-1: somebody else changed it meanwhile" in result.stderr
    assert "not changed: group race-1" in result.stderr
    [shown] = service.reports("groups", "show", "race-1")
    assert (shown["description"], shown["rules"][0]["max"]) == ("theirs", 3)


def test_an_edit_says_how_many_alerts_it_resolved(service: Managed) -> None:
    service.done("groups", "apply", written("effect-1"), "--yes")
    service.connect("effect-1-cam", "198.51.100.7")
    file = written("effect-1", ("10.20.7.0/24", "198.51.100.0/24"))
    assert service.done("groups", "apply", file, "--yes").endswith(
        "group effect-1: changed; 1 alert changed its state\n"
    )


def test_a_viewer_may_look_but_not_apply(service: Managed) -> None:
    token = service.token("viewer")
    file = written("viewer-1")
    result = service.run("groups", "apply", file, "--yes", "--token", token)
    assert result.exit_code == 2
    assert "this token does not allow it" in result.stderr
    assert "there is no group" in service.refused("groups", "show", "viewer-1")


def test_a_role_for_one_group_edits_that_group_only(service: Managed) -> None:
    for name in ("mine-1", "other-1"):
        service.done("groups", "apply", written(name), "--yes")
    token = service.token("administrator:mine-1")
    listed = service.reports("groups", "list", "--token", token)
    assert [group["name"] for group in listed] == ["mine-1"]
    service.done("groups", "apply", written("mine-1", ("max: 3", "max: 4")), "--yes", "--token", token)
    written("other-1", ("max: 3", "max: 4"))
    assert service.run("groups", "apply", "groups.yaml", "--yes", "--token", token).exit_code == 2
    [shown] = service.reports("groups", "show", "other-1")
    assert shown["rules"][0]["max"] == 3


# list, show, delete


def test_the_list_and_one_group_are_shown_within_80_columns(
    service: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.done("groups", "apply", written("show-1", ("first floor", "a text " * 20)), "--yes")
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (("list",), ("show", "show-1")):
        result = run("groups", *arguments, "--url", service.serving.url, "--data", service.serving.folder)
        assert result.exit_code == 0
        assert "show-1" in result.stdout
    assert "FailedLocalLoginsNotInAllowedRange, 0 to 3 in PT10M" in service.done("groups", "show", "SHOW-1")


def test_texts_that_would_move_the_cursor_are_shown_as_marks(service: Managed) -> None:
    body = {"description": "a\x1b[31mb", "rules": []}
    put = service.serving.admin.put("/v1/groups/hostile-1", json=body)
    if put.status_code == 400:  # the service may refuse such a text outright
        return
    for arguments in (("list",), ("show", "hostile-1")):
        assert "\x1b" not in service.done("groups", *arguments)


def test_a_group_that_is_not_there_is_said(service: Managed) -> None:
    said = "nowhere: there is no group of this name; `fencepost groups list` names those that there are\n"
    assert service.refused("groups", "show", "nowhere") == said
    assert service.refused("groups", "delete", "nowhere", "--yes") == said
    assert service.refused("groups", "export", "nowhere") == said


def test_groups_are_deleted_after_a_yes_and_the_default_stays(service: Managed) -> None:
    service.done("groups", "apply", written("delete-1"), "--yes")
    assert "say --yes to delete" in service.refused("groups", "delete", "delete-1")
    assert service.done("groups", "delete", "Delete-1", "--yes").startswith("group delete-1: deleted")
    assert "there is no group" in service.refused("groups", "show", "delete-1")
    assert "default" in service.refused("groups", "delete", "default", "--yes")


# export


def test_an_export_reads_back_to_the_same(service: Managed) -> None:
    service.done(
        "groups", "apply", written("export-1", ("allow:", "severity: High\n        allow:")), "--yes"
    )
    service.done("groups", "export", "export-1", "--output", "export.yaml")
    assert run("rules", "check", "export.yaml").exit_code == 0
    assert service.done("groups", "diff", "export.yaml").startswith("nothing to do")
    before = service.reports("groups", "show", "export-1")
    service.done("groups", "delete", "export-1", "--yes")
    service.done("groups", "apply", "export.yaml", "--yes")
    again = service.reports("groups", "show", "export-1")
    assert [{**one, "version": 1} for one in again] == [{**one, "version": 1} for one in before]


def test_an_export_overwrites_nothing(service: Managed) -> None:
    Path("groups.yaml").write_text("mine")
    assert "it is there already" in service.refused("groups", "export", "--output", "groups.yaml")
    assert Path("groups.yaml").read_text() == "mine"


@pytest.mark.parametrize("form", ["arm", "terraform"])
def test_what_azures_formats_cannot_say_is_a_warning(service: Managed, form: str) -> None:
    service.done("groups", "apply", written("azure-1"), "--yes")
    result = service.run("groups", "export", "azure-1", "--format", form)
    assert result.exit_code == 0
    assert "warning: group azure-1: description, members" in result.stderr
    assert "1 entry ends and so is left out: 203.0.113.9" in result.stderr
    assert "10.20.7.0/24" in result.stdout
    assert "203.0.113.9" not in result.stdout
