"""Alerts as they are shown where nobody is to read addresses whole."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from tests.store.control.material import alert

from fencepost.model.alert import Alert, Evidence
from fencepost.web.api.alert_views import shown, shown_text
from fencepost.web.api.service import Service

AT = datetime(2026, 3, 2, tzinfo=UTC)


def service(*, masks: bool) -> Service:
    solutions = SimpleNamespace(masks_addresses=lambda: masks)
    return cast("Service", SimpleNamespace(solutions=solutions))


def spoken_of() -> Alert:
    evidence = Evidence(
        event_id="e",
        event_name="ConnectionCreate",
        occurred_at=AT,
        received_at=AT,
        facts={"RemoteAddress": "203.0.113.7", "RemotePort": "443"},
    )
    base: Any = alert(value="203.0.113.7", evidence=(evidence,), allowing_entry="203.0.113.7")
    return cast("Alert", base)


def test_addresses_are_shown_unless_a_solution_says_otherwise() -> None:
    plain = shown(service(masks=False), spoken_of())
    assert (plain.value, plain.evidence[0].facts["RemoteAddress"]) == ("203.0.113.7", "203.0.113.7")
    masked = shown(service(masks=True), spoken_of())
    assert masked.value == masked.allowing_entry == "203.0.113.*"
    assert masked.evidence[0].facts == {"RemoteAddress": "203.0.113.*", "RemotePort": "443"}
    assert masked.alert_id == plain.alert_id


def test_texts_about_alerts_are_shown_likewise() -> None:
    assert shown_text(service(masks=False), "to 203.0.113.7") == "to 203.0.113.7"
    assert shown_text(service(masks=True), "to 203.0.113.7") == "to 203.0.113.*"
