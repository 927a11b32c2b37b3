"""Security solutions as clients send them and Azure's service shows them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from msgspec import structs

from fencepost.model.solution import (
    RECOMMENDATION_TYPES,
    AdditionalWorkspace,
    RecommendationType,
    SecuritySolution,
    Switch,
    UserDefinedResources,
)
from fencepost.model.text import fault_of_text
from fencepost.web.azure.arm.alert_bodies import seven_digits
from fencepost.web.azure.arm.reading import Node
from fencepost.web.azure.arm.service import Place

TYPE = "Microsoft.Security/IoTSecuritySolutions"
SWITCHES = ("Enabled", "Disabled")
EXPORTS, SOURCES, DATA_TYPES = ("RawEvents",), ("TwinData",), ("Alerts", "RawEvents")
QUERY_BEGINS = 'where type != "microsoft.devices/iothubs"'
MOST_TAGS, LONGEST_TAG, LONGEST_TAG_VALUE = 50, 512, 256
MOST_ITEMS = 1000
LONGEST_NAME = 128
_NAME = re.compile(r"[^\s/\\<>%&?#\x00-\x1f\x7f]+")
_WORKSPACE = re.compile(
    r"/?subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.operationalinsights/workspaces/[^/]+",
    re.IGNORECASE,
)
_HUB = re.compile(
    r"/?subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.devices/iothubs/[^/]+", re.IGNORECASE
)

NAMES: dict[RecommendationType, str] = {
    "IoT_ACRAuthentication": "Pull container images with a service principal",
    "IoT_AgentSendsUnutilizedMessages": "The agent sends messages that are not full",
    "IoT_Baseline": "The system does not meet its baseline",
    "IoT_EdgeHubMemOptimize": "The edge hub keeps more memory than it needs",
    "IoT_EdgeLoggingOptions": "Edge modules keep no logs",
    "IoT_InconsistentModuleSettings": "Modules of one group have different settings",
    "IoT_InstallAgent": "No security agent is installed",
    "IoT_IPFilter_DenyAll": "The default of the IP filter lets in",
    "IoT_IPFilter_PermissiveRule": "A rule of the IP filter is wide",
    "IoT_OpenPorts": "Ports of the device are open",
    "IoT_PermissiveFirewallPolicy": "The firewall's default lets through",
    "IoT_PermissiveInputFirewallRules": "A firewall rule lets too much in",
    "IoT_PermissiveOutputFirewallRules": "A firewall rule lets too much out",
    "IoT_PrivilegedDockerOptions": "A container has more rights than it needs",
    "IoT_SharedCredentials": "Several devices have the same credentials",
    "IoT_VulnerableTLSCipherSuite": "A cipher suite of TLS is weak",
}


# what is shown


def shown(solution: SecuritySolution, place: Place) -> dict[str, Any]:
    """Return a solution as Azure's service answers it."""
    properties = {
        "workspace": solution.workspace,
        "displayName": solution.display_name,
        "status": solution.status,
        "export": list(solution.export),
        "disabledDataSources": list(solution.disabled_data_sources),
        "iotHubs": list(solution.iot_hubs),
        "userDefinedResources": _resources_shown(solution.user_defined_resources),
        "autoDiscoveredResources": [place.hub],
        "recommendationsConfiguration": [
            {
                "recommendationType": kind,
                "name": NAMES[kind],
                "status": "Disabled" if kind in solution.disabled_recommendations else "Enabled",
            }
            for kind in RECOMMENDATION_TYPES
        ],
        "unmaskedIpLoggingStatus": solution.unmasked_ip_logging,
        "additionalWorkspaces": [_workspace_shown(one) for one in solution.additional_workspaces],
    }
    return {
        "id": id_of(solution, place),
        "name": solution.name,
        "type": TYPE,
        "location": solution.location,
        "tags": solution.tags,
        "systemData": _system_data(solution),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def id_of(solution: SecuritySolution, place: Place) -> str:
    return f"{place.group}/providers/Microsoft.Security/iotSecuritySolutions/{solution.name}"


def _system_data(solution: SecuritySolution) -> dict[str, str]:
    return {
        "createdBy": solution.created_by,
        "createdByType": _kind_of(solution.created_by),
        "createdAt": seven_digits(solution.created_at),
        "lastModifiedBy": solution.changed_by,
        "lastModifiedByType": _kind_of(solution.changed_by),
        "lastModifiedAt": seven_digits(solution.changed_at),
    }


def _kind_of(actor: str) -> str:
    return "User" if actor.startswith("user/") else "Application"


def _resources_shown(resources: UserDefinedResources | None) -> dict[str, Any] | None:
    if resources is None:
        return None
    subscriptions = list(resources.subscriptions) if resources.subscriptions is not None else None
    return {"query": resources.query, "querySubscriptions": subscriptions}


def _workspace_shown(one: AdditionalWorkspace) -> dict[str, Any]:
    shown = {"workspace": one.workspace, "type": one.kind, "dataTypes": list(one.data_types)}
    return {name: value for name, value in shown.items() if value is not None}


# what is sent


def sent_solution(root: Node, name: str, place: Place, actor: str, now: datetime) -> SecuritySolution:
    """Return the solution that a body wants; raises ArmError with all that is wrong."""
    properties = root.member("properties", required=True)
    if not _NAME.fullmatch(name) or not name.isprintable() or len(name) > LONGEST_NAME:
        Node(None, "name", root.problems).fault(
            f"a name is printable, has no blanks and at most {LONGEST_NAME} characters"
        )
    workspace = properties.text("workspace")  # the Azure CLI sends none
    if workspace is not None and not _WORKSPACE.fullmatch(workspace):
        properties.member("workspace").fault(
            "this is the id of a workspace: /subscriptions/ID/resourceGroups/NAME/providers/"
            "Microsoft.OperationalInsights/workspaces/NAME"
        )
    display_name = properties.text("displayName", required=True, longest=256)
    location = root.text("location", longest=90)
    solution = SecuritySolution(
        name=name,
        location=location or place.location,
        tags=_tags(root.member("tags")) or {},
        workspace=workspace,
        display_name=display_name or "",
        iot_hubs=_hubs(properties.member("iotHubs", required=True), place),
        status=cast("Switch", properties.choice("status", SWITCHES) or "Enabled"),
        export=_chosen(properties.member("export"), EXPORTS),
        disabled_data_sources=_chosen(properties.member("disabledDataSources"), SOURCES),
        user_defined_resources=_resources(properties.member("userDefinedResources")),
        disabled_recommendations=_disabled(
            _recommendations(properties.member("recommendationsConfiguration"))
        ),
        unmasked_ip_logging=cast(
            "Switch", properties.choice("unmaskedIpLoggingStatus", SWITCHES) or "Disabled"
        ),
        additional_workspaces=tuple(
            _workspace(node) for node in properties.member("additionalWorkspaces").items(MOST_ITEMS)
        ),
        created_at=now,
        created_by=actor,
        changed_at=now,
        changed_by=actor,
    )
    root.check()
    return solution


def patched(solution: SecuritySolution, root: Node) -> SecuritySolution:
    """
    Return a solution with what a body changes of it; raises ArmError with all that is wrong.

    User-defined resources are taken away by `null`, the one member for which Azure allows it.
    """
    properties = root.member("properties")
    tags = _tags(root.member("tags"))
    resources = _resources(properties.member("userDefinedResources"))
    is_changed = resources is not None or properties.is_null("userDefinedResources")
    known: dict[RecommendationType, str] = dict.fromkeys(solution.disabled_recommendations, "Disabled")
    recommendations = _recommendations(properties.member("recommendationsConfiguration"))
    root.check()
    return structs.replace(
        solution,
        tags=tags if tags is not None else solution.tags,
        user_defined_resources=resources if is_changed else solution.user_defined_resources,
        disabled_recommendations=_disabled({**known, **recommendations}),
    )


def _tags(node: Node) -> dict[str, str] | None:
    if node.value is None:
        return None
    if not isinstance(node.value, dict) or len(node.value) > MOST_TAGS:
        node.fault(f"tags are an object with at most {MOST_TAGS} members")
        return None
    tags = {}
    for name, value in node.value.items():
        if fault := fault_of_text(name) or (fault_of_text(value) if isinstance(value, str) else None):
            node.fault(fault)
        elif len(name) > LONGEST_TAG or not isinstance(value, str) or len(value) > LONGEST_TAG_VALUE:
            node.fault(f"a tag is a text of at most {LONGEST_TAG_VALUE} characters: {name[:40]!r} is none")
        else:
            tags[name] = value
    return tags


def _hubs(node: Node, place: Place) -> tuple[str, ...]:
    """A solution that is for none of our hubs would do nothing, and nobody would know."""
    if node.value is None:
        return ()
    before = len(node.problems)
    hubs = node.texts(MOST_ITEMS, 1024)
    for index, hub in enumerate(hubs):
        if not _HUB.fullmatch(hub) or not hub.isprintable():
            Node(hub, f"{node.path}[{index}]", node.problems).fault("this is the id of an IoT Hub")
    ours = place.hub.strip("/").casefold()
    if len(node.problems) == before and not any(hub.strip("/").casefold() == ours for hub in hubs):
        node.fault(f"none of these is the hub of this installation: it is {place.hub}")
    return hubs


def _chosen(node: Node, allowed: tuple[str, ...]) -> tuple[str, ...]:
    values = node.texts(MOST_ITEMS)
    for index, value in enumerate(values):
        if value not in allowed:
            place = f"{node.path}[{index}]"
            Node(value, place, node.problems).fault(f"this is one of {', '.join(allowed)}")
    return values


def _resources(node: Node) -> UserDefinedResources | None:
    if node.value is None:
        return None
    query = node.text("query")
    if query is not None and not query.startswith(QUERY_BEGINS):
        node.member("query").fault(f"a query begins with {QUERY_BEGINS}")
    subscriptions = node.member("querySubscriptions")
    return UserDefinedResources(
        query=query,
        subscriptions=subscriptions.texts(MOST_ITEMS) if subscriptions.value is not None else None,
    )


def _disabled(recommendations: Mapping[RecommendationType, str]) -> tuple[RecommendationType, ...]:
    return tuple(kind for kind in RECOMMENDATION_TYPES if recommendations.get(kind) == "Disabled")


def _recommendations(node: Node) -> dict[RecommendationType, str]:
    found: dict[RecommendationType, str] = {}
    for one in node.items(MOST_ITEMS):
        kind = one.choice("recommendationType", RECOMMENDATION_TYPES, required=True)
        status = one.choice("status", SWITCHES, required=True)
        if kind is not None and status is not None:
            found[cast("RecommendationType", kind)] = status
    return found


def _workspace(node: Node) -> AdditionalWorkspace:
    workspace = node.text("workspace")
    if workspace is not None and not _WORKSPACE.fullmatch(workspace):
        node.member("workspace").fault("this is the id of a workspace")
    return AdditionalWorkspace(
        workspace=workspace,
        kind=node.choice("type", ("Sentinel",)),
        data_types=_chosen(node.member("dataTypes"), DATA_TYPES),
    )
