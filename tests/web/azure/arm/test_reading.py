"""Whatever a client sends: it is read, or refused with paths, and never a fault of ours."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fencepost.web.azure.arm.errors import ArmError
from fencepost.web.azure.arm.group_bodies import merged, sent_group, shown
from fencepost.web.azure.arm.reading import Node, read
from fencepost.web.azure.arm.service import Place
from fencepost.web.azure.arm.solution_bodies import patched, sent_solution
from fencepost.web.azure.arm.suppressions import sent_rule

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PLACE = Place(
    subscription_id="s",
    tenant_id="t",
    resource_group="rg",
    iothub_name="hub",
    workspace_id="w",
    location="local",
)
WORDS = [
    "properties",
    "timeWindowRules",
    "allowlistRules",
    "thresholdRules",
    "denylistRules",
    "ruleType",
    "isEnabled",
    "minThreshold",
    "maxThreshold",
    "timeWindowSize",
    "allowlistValues",
    "denylistValues",
    "workspace",
    "displayName",
    "iotHubs",
    "tags",
    "export",
    "userDefinedResources",
    "query",
    "querySubscriptions",
    "recommendationsConfiguration",
    "recommendationType",
    "status",
    "additionalWorkspaces",
    "dataTypes",
    "alertType",
    "reason",
    "state",
    "expirationDateUtc",
    "suppressionAlertsScope",
    "allOf",
    "field",
    "in",
    "contains",
]
VALUES = [
    "ActiveConnectionsNotInAllowedRange",
    "ConnectionToIpNotAllowed",
    "ThresholdCustomAlertRule",
    "PT5M",
    "5m",
    "10.0.0.0/8",
    "Enabled",
    "RawEvents",
    "IoT_OpenPorts",
    "2026-03-02T00:00:00Z",
    PLACE.hub,
    "\u202e",
    "\0",
]
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(VALUES), st.text()
)
documents = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text()), inner, max_size=6),
    ),
    max_leaves=40,
)
bodies = st.dictionaries(st.sampled_from(WORDS), documents, max_size=4) | st.fixed_dictionaries(
    {"properties": st.dictionaries(st.sampled_from(WORDS), documents, max_size=8)}
)


@given(bodies)
def test_a_body_is_read_or_refused(body: Any) -> None:
    written = msgspec.json.encode(body)
    with contextlib.suppress(ArmError):
        sent = sent_group(written)
        group = merged(None, "floor", sent.rules, NOW)
        again = sent_group(msgspec.json.encode(shown(group, sent.spelling, PLACE, NOW)))
        assert merged(group, "floor", again.rules, NOW) == group, "what is shown can be put"
    with contextlib.suppress(ArmError):
        solution = sent_solution(read(written), "main", PLACE, "user/anna", NOW)
        patched(solution, read(written))
    with contextlib.suppress(ArmError):
        sent_rule(read(written), "rule", NOW)


@given(st.binary(max_size=200))
def test_bytes_are_json_or_refused(body: bytes) -> None:
    with contextlib.suppress(ArmError):
        read(body)


def test_every_problem_of_a_body_has_a_path_that_is_in_it() -> None:
    root = Node({"a": {"B": [1, "x", None]}}, "", [])
    assert root.member("A").member("b").texts(9) == ("x",)
    assert [one.path for one in root.problems] == ["A.b[0]", "A.b[2]"]
