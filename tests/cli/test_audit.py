"""`fencepost audit` from the outside, against a real service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.managed import Managed, alone, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    for managed in running(tmp_path_factory.mktemp("audit")):
        for number in range(3):
            body = {"description": f"edit {number}", "rules": []}
            managed.serving.admin.put("/v1/groups/cameras", json=body).raise_for_status()
        managed.serving.admin.put("/v1/groups/gateways", json={"rules": []}).raise_for_status()
        yield managed


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tmp_path, monkeypatch)


def test_changes_are_listed_the_latest_first_with_what_was_before(service: Managed) -> None:
    found = service.reports("audit", "--subject", "group/cameras")
    assert [one["after"]["description"] for one in found] == ["edit 2", "edit 1", "edit 0"]
    assert found[0]["before"]["description"] == "edit 1"
    assert {one["actor"] for one in found} == {"token/administrator"}


def test_changes_are_found_by_what_is_asked_for(service: Managed) -> None:
    action = service.reports("audit", "--subject", "group/gateways")[0]["action"]
    assert len(service.reports("audit", "--subject", "group/cameras", "--limit", "2")) == 2
    assert service.reports("audit", "--actor", "user/nobody") == []
    assert len(service.reports("audit", "--action", action, "--subject", "group/gateways")) == 1
    assert len(service.reports("audit", "--since", "1h", "--subject", "group/gateways")) == 1
    assert service.reports("audit", "--until", "1h", "--subject", "group/gateways") == []


def test_the_table_says_who_did_what_and_when_there_is_more(service: Managed) -> None:
    said = service.done("audit", "--subject", "group/cameras", "--limit", "2")
    assert "token/administrator" in said
    assert said.endswith("\n2 changes and more: --limit shows them\n")
    assert service.done("audit", "--actor", "user/nobody") == "0 changes\n"


def test_a_viewer_does_not_see_the_audit(service: Managed) -> None:
    assert "does not allow it" in service.refused("audit", "--token", service.token("viewer"))
