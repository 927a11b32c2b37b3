"""The proof that live and replay agree, and that it can fail."""

from pathlib import Path

from msgspec import structs
from tests.service.stream import Bench, Result, entries

from fencepost.service.rebuild import differences, rebuild
from fencepost.store.control import ControlStore


def test_S30_all_made_again_from_the_journal_is_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.process(entries(), batch=13)
    with ControlStore.open(f"sqlite:///{tmp_path / 'again.db'}") as again:
        rebuild(enumerate(entries(), 1), bench.processor.position, again)
        assert Result(again) == Result(bench.store)
    bench.close()


def test_a_rebuild_ends_where_the_live_store_stands(tmp_path: Path) -> None:
    with ControlStore.open(f"sqlite:///{tmp_path / 'again.db'}") as again:
        rebuild(enumerate(entries(), 1), 70, again)
        assert again.position() == 70


def test_every_difference_is_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.process(entries())
    alerts = Result(bench.store).alerts
    bench.close()
    changed = structs.replace(alerts[1], count=99, state="Dismissed")
    found = list(differences(live=alerts[:-1], rebuilt=[changed, *alerts[2:]]))
    assert [(one.alert_id, one.what, one.members) for one in found] == [
        (alerts[0].alert_id, "missing", ()),
        (alerts[1].alert_id, "different", ("state", "count")),
        (alerts[-1].alert_id, "extra", ()),
    ]
