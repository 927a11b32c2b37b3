"""Examples of bodies and answers: values of the same Structs, so that none can say what is not so."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Raw, Struct

from fencepost.model.alert_view import AlertView
from fencepost.model.catalog import CATALOG
from fencepost.model.layer import EffectiveEntry
from fencepost.model.page import SummaryRow
from fencepost.model.record import AlertChange, AuditRecord, Quarantined, Tally
from fencepost.model.rule import Members
from fencepost.service.choices import Choice
from fencepost.service.commands import ActResult
from fencepost.service.mending import Mended, Preview, Undone
from fencepost.service.undoing import UndoneEdit
from fencepost.web.api import access_examples
from fencepost.web.api.alert_actions import ActionResults, Actions, Comment, NewComment, WorkedOnBy
from fencepost.web.api.alert_views import Alerts, AlertWithHistory
from fencepost.web.api.audit import Audit
from fencepost.web.api.codec import built, written
from fencepost.web.api.devices import Assignment, Devices, DeviceView, DeviceWithTallies, Tallies
from fencepost.web.api.group_bodies import GroupBody, GroupView, LayerBody, LayerView, MembersBody
from fencepost.web.api.group_rules import Rules
from fencepost.web.api.groups import Groups, GroupVersion, GroupVersions
from fencepost.web.api.health import Health, Readiness
from fencepost.web.api.layers import EffectiveEntryView, EffectiveRules, EffectiveRuleView, Overrides
from fencepost.web.api.mending import Allowance, Choices
from fencepost.web.api.messages import Accepted, Reject
from fencepost.web.api.problems import Fault, Problem
from fencepost.web.api.quarantine import Quarantine, QuarantinedMessage
from fencepost.web.api.rule_bodies import NoteBody, RuleBody
from fencepost.web.api.rule_types import RuleTypes, RuleTypeView
from fencepost.web.api.summary import Summary
from fencepost.web.api.suppressions import ConditionBody, SuppressionBody, Suppressions, SuppressionView

_AT = datetime(2026, 11, 24, 9, 37, 58, tzinfo=UTC)
_LATER = datetime(2026, 11, 24, 9, 41, 12, tzinfo=UTC)
_END = datetime(2026, 12, 24, tzinfo=UTC)
_ALERT_ID = "7850456e-0732-4fea-87fc-6a7e5715c773"
_OTHER_ID = "2082ad39-abed-446b-9840-8b0587a9265d"
_ACTOR = "user/anna"
_LIST = CATALOG["ConnectionToIpNotAllowed"]
_ENTRY = "203.0.113.0/24"
_REASON = "the vendor's update servers"

_ALERT = AlertView(
    alert_id=_ALERT_ID,
    alert_type=_LIST.alert_type,
    rule_type=_LIST.name,
    device_id="cam-0003",
    group="cameras",
    group_version=3,
    severity="High",
    state="Active",
    title=_LIST.alert_name,
    description="The device had an outbound connection to 203.0.113.99, which is not allowed.",
    remediation=_LIST.remediation,
    data_source="legacy",
    value="203.0.113.99",
    count=2,
    min=None,
    max=None,
    window=None,
    started_at=_AT,
    last_seen_at=_AT,
    received_at=_LATER,
    ended_at=None,
    reason=None,
    assigned_to="anna",
    certainty="certain",
    flags=(),
    nearest_entry="198.51.100.0/24",
    allowing_entry="203.0.113.99",
    previous_id=None,
    evidence=(),
)
_OPENED = AlertChange(
    alert_id=_ALERT_ID,
    position=13,
    at=_AT,
    actor="fencepost",
    action="open",
    before=None,
    after="Active",
)
_NOTE = NoteBody(entry=_ENTRY, by=_ACTOR, at=_LATER, reason=_REASON, until=_END, alert_id=_ALERT_ID)
_LIST_RULE = built(
    RuleBody,
    type=_LIST.name,
    enabled=True,
    severity="High",
    allow=("10.20.7.0/24", _ENTRY),
    notes=(_NOTE,),
)
_RANGE_RULE = built(
    RuleBody,
    type="FailedLocalLoginsNotInAllowedRange",
    enabled=True,
    min=0,
    max=3,
    window="PT10M",
    count="attempts",
    alert_on="certain",
)
_GROUP = built(
    GroupView,
    name="cameras",
    description="fixed cameras",
    members=Members(globs=("cam-*",)),
    allowed_lateness=None,
    implicit_entries=("loopback", "link_local", "server"),
    server_addresses=("192.0.2.10",),
    rules=[_LIST_RULE, _RANGE_RULE],
    version=3,
)
_ADDED = built(RuleBody, type=_LIST.name, enabled=True, allow=("192.0.2.53",))
_LAYER = built(LayerView, device_id=None, version=2, rules=[_ADDED])
_DEVICE = built(
    DeviceView,
    device_id="cam-0003",
    registered_at=_AT,
    first_seen_at=_AT,
    last_seen_at=_LATER,
    source="legacy",
    messages=3,
    events=13,
    rejected=1,
    tag=None,
    group="cameras",
    not_measurable=(),
)
_TALLY = Tally(
    device_id="cam-0003",
    kind="late",
    subject="ConnectionCreate",
    count=3,
    first_at=_AT,
    last_at=_LATER,
    detail={"event_id": "33779b28-901a-4a3b-b26b-24aa8a99fec5"},
)
_CONDITION = built(ConditionBody, field="alert.deviceId", among=("cam-0003",), contains=())
_SUPPRESSION = {
    "name": "gate-works",
    "alert_type": _LIST.alert_type,
    "enabled": True,
    "reason": "Works",
    "comment": "The gate is rebuilt until Christmas.",
    "expires_at": _END,
    "conditions": (_CONDITION,),
}
_SUPPRESSION_VIEW = built(SuppressionView, **_SUPPRESSION, changed_at=_LATER, state="Enabled")

_VALUES: tuple[Struct, ...] = (
    Accepted(
        messages=1,
        events=2,
        quarantined=0,
        turned_away=0,
        rejects=(Reject(0, "Events[2].Payload[0].RemotePort", "Expected `int`, got `str`"),),
        rejects_total=1,
    ),
    _ALERT,
    Alerts([_ALERT], None),
    AlertWithHistory(_ALERT, [_OPENED]),
    Comment("asked the plant"),
    NewComment("asked the plant"),
    WorkedOnBy("anna"),
    Actions(action="resolve", alert_ids=[_ALERT_ID, _OTHER_ID], comment="the vendor's update"),
    ActionResults(
        [
            ActResult(_ALERT_ID, "Resolved", None),
            ActResult(_OTHER_ID, None, "an alert that is Resolved cannot resolve"),
        ]
    ),
    Summary(
        "rule_type",
        [
            SummaryRow(
                key=_LIST.name,
                alerts=12,
                still_open=3,
                occurrences=40,
                devices=2,
                first_at=_AT,
                last_at=_LATER,
            )
        ],
    ),
    Choices(
        [
            Choice(form="exact", entry="203.0.113.99", covers="203.0.113.99, every port"),
            Choice(
                form="network",
                entry=_ENTRY,
                covers="the 256 addresses from 203.0.113.0 to 203.0.113.255, every port",
            ),
        ]
    ),
    Allowance(scope="group", form="network", reason=_REASON, span="P30D"),
    Preview(
        scope="group",
        subject="cameras",
        entry=_ENTRY,
        until=_END,
        resolves=[_ALERT_ID],
        resolves_count=1,
        events=2,
        days=7,
        covering=[EffectiveEntry("203.0.113.96/30", "fleet")],
        warnings=[],
    ),
    Mended(
        scope="group",
        subject="cameras",
        entry=_ENTRY,
        until=_END,
        changed=True,
        version=3,
        resolved=[_ALERT_ID],
        resolved_count=1,
        warnings=[],
    ),
    Undone(
        edits=[UndoneEdit(scope="group", subject="cameras", removed=[_ENTRY], restored=[])],
        reopened=[_ALERT_ID],
        reopened_count=1,
    ),
    _LIST_RULE,
    Rules([_LIST_RULE, _RANGE_RULE]),
    _GROUP,
    Groups([_GROUP]),
    GroupVersions([GroupVersion(17, _GROUP)], None),
    built(
        GroupBody,
        description="fixed cameras",
        members=built(MembersBody, globs=("cam-*",)),
        rules=[
            built(RuleBody, type=_LIST.name, allow=("10.20.7.0/24", NoteBody(entry=_ENTRY, reason=_REASON))),
            _RANGE_RULE,
        ],
    ),
    RuleTypes([built(RuleTypeView, **written(_LIST), alert_type=_LIST.alert_type)]),
    _LAYER,
    Overrides([built(LayerView, device_id="cam-0003", version=1, rules=[_ADDED])], None),
    built(LayerBody, rules=[_ADDED]),
    EffectiveRules(
        "cam-0003",
        "cameras",
        3,
        [
            EffectiveRuleView(
                built(RuleBody, type=_LIST.name, enabled=True, severity="High"),
                "group",
                [
                    EffectiveEntryView("10.20.7.0/24", "group", None),
                    EffectiveEntryView(_ENTRY, "group", _NOTE),
                    EffectiveEntryView("192.0.2.53", "fleet", None),
                    EffectiveEntryView("127.0.0.0/8", "implicit", None),
                ],
            ),
            EffectiveRuleView(_RANGE_RULE, "device"),
        ],
    ),
    Suppressions([_SUPPRESSION_VIEW]),
    _SUPPRESSION_VIEW,
    built(SuppressionBody, **{name: value for name, value in _SUPPRESSION.items() if name != "name"}),
    Devices([_DEVICE], None),
    DeviceWithTallies(_DEVICE, [_TALLY]),
    Assignment("cameras"),
    Tallies([_TALLY], None),
    Quarantine(
        [
            Quarantined(
                position=10,
                number=0,
                device_id="cam-0004",
                received_at=_AT,
                size=12,
                where="",
                reason="not JSON: Input data was truncated",
                whole=True,
            )
        ],
        None,
    ),
    QuarantinedMessage(position=10, device_id="cam-0004", received_at=_AT, body_base64="eyJFdmVudHMiOiBb"),
    Audit(
        [
            AuditRecord(
                position=17,
                at=_LATER,
                actor=_ACTOR,
                action="allow",
                subject="group/cameras",
                before={"version": 2},
                after={"version": 3},
                effect=f"1 alert changed its state (alert {_ALERT_ID}): {_REASON}",
            )
        ],
        None,
    ),
    Health("ok", "0.5.0"),
    Readiness(ready=True, troubles=[]),
)


def example(value: Any) -> Raw:
    """Return an example as it stands in the document, which would else lose every null."""
    return Raw(msgspec.json.encode(value))


EXAMPLES = {type(value).__name__: example(value) for value in (*_VALUES, *access_examples.VALUES)}
"""An example of each Struct that a request or an answer is made of, by its name."""
_DETAILS: dict[int, str | Fault] = {
    400: Fault("rules[0].max", "max (3) is less than min (5): every device would alert"),
    401: "the token is not known, or is over: send 'Authorization: Bearer TOKEN'",
    403: "this takes the role analyst for the group cameras",
    404: "there is no such alert",
    408: "the body did not come within 30 seconds",
    409: "an alert that is Resolved cannot dismiss",
    412: "the group cameras has been changed meanwhile: read it again",
    413: "Request Entity Too Large",
    415: "send application/json, application/x-ndjson or application/octet-stream",
    422: "this Idempotency-Key was sent with another request: take a new one",
    429: "too many attempts: come again later",
    503: "the control store cannot be reached",
}


def problem_example(status: int) -> Raw:
    """Return an example of an answer that is an error."""
    said = _DETAILS.get(status, HTTPStatus(status).description)
    faults = (said,) if isinstance(said, Fault) else ()
    detail = f"{said.path}: {said.reason}" if isinstance(said, Fault) else said
    return example(Problem(status=status, title=HTTPStatus(status).phrase, detail=detail, problems=faults))
