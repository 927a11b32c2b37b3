"""What only the Azure dialect says, on both databases."""

from datetime import UTC, datetime

from tests.store.control.material import commit

from fencepost.model.record import AuditRecord
from fencepost.model.rule import SecurityGroup
from fencepost.model.solution import GroupSpelling, SecuritySolution
from fencepost.store.control import ControlStore

AT = datetime(2026, 3, 2, tzinfo=UTC)


def solution(name: str = "Main", **said: object) -> SecuritySolution:
    known: dict[str, object] = {
        "location": "local",
        "workspace": "/w",
        "display_name": "Main",
        "iot_hubs": ("/h",),
        "created_at": AT,
        "created_by": "user/anna",
        "changed_at": AT,
        "changed_by": "user/anna",
    }
    return SecuritySolution(name=name, **{**known, **said})  # type: ignore[arg-type]


def record(action: str) -> AuditRecord:
    return AuditRecord(
        position=0,
        at=AT,
        actor="user/anna",
        action=action,
        subject="solution/Main",
        before=None,
        after=None,
        effect="",
    )


def test_a_solution_is_put_replaced_and_taken_away_with_the_record_of_it(store: ControlStore) -> None:
    store.change_solutions(solution(), None, [record("put")])
    store.change_solutions(solution("MAIN", export=("RawEvents",)), None, [record("put")])
    store.change_solutions(solution("another"), None, [record("put")])
    assert [(one.name, one.export) for one in store.solutions()] == [
        ("another", ()),
        ("MAIN", ("RawEvents",)),
    ]
    store.change_solutions(None, "main", [record("delete")])
    assert [one.name for one in store.solutions()] == ["another"]
    assert [one.action for one in store.audit().items] == ["delete", "put", "put", "put"]


def test_the_spelling_of_a_group_is_kept_and_forgotten(store: ControlStore) -> None:
    spelling = GroupSpelling(version=3, durations={"ActiveConnectionsNotInAllowedRange": "PT05M"})
    store.put_group_spelling("Floor", spelling)
    store.put_group_spelling("floor", spelling)
    assert store.group_spellings() == {"floor": spelling}
    store.put_group_spelling("FLOOR", None)
    assert store.group_spellings() == {}


def test_a_store_that_is_made_anew_from_the_journal_takes_solutions_over(
    store: ControlStore, tmp_path: object
) -> None:
    store.change_solutions(solution(), None, [record("put")])
    store.put_group_spelling("floor", GroupSpelling(version=1, threshold_rules=({"ruleType": "x"},)))
    with ControlStore.open(f"sqlite:///{tmp_path}/again.db") as again:
        again.adopt_registry(store)
        assert again.solutions() == store.solutions()
        assert again.group_spellings() == store.group_spellings()


def test_the_spelling_of_a_group_goes_with_the_group(store: ControlStore) -> None:
    commit(store, groups_put=[SecurityGroup(name="Floor")])
    store.put_group_spelling("Floor", GroupSpelling(version=1, threshold_rules=({"ruleType": "x"},)))
    commit(store, groups_deleted=["floor"])
    assert store.group_spellings() == {}
