"""
The security solutions of Azure (iotSecuritySolutions): what is kept of raw events, and who may read addresses.

Of what a solution says, `export` and `unmasked_ip_logging` have an effect here; all else is kept and shown.
"""

from datetime import datetime
from typing import Any, Literal, get_args

from msgspec import Struct

Switch = Literal["Enabled", "Disabled"]
RecommendationType = Literal[
    "IoT_ACRAuthentication",
    "IoT_AgentSendsUnutilizedMessages",
    "IoT_Baseline",
    "IoT_EdgeHubMemOptimize",
    "IoT_EdgeLoggingOptions",
    "IoT_InconsistentModuleSettings",
    "IoT_InstallAgent",
    "IoT_IPFilter_DenyAll",
    "IoT_IPFilter_PermissiveRule",
    "IoT_OpenPorts",
    "IoT_PermissiveFirewallPolicy",
    "IoT_PermissiveInputFirewallRules",
    "IoT_PermissiveOutputFirewallRules",
    "IoT_PrivilegedDockerOptions",
    "IoT_SharedCredentials",
    "IoT_VulnerableTLSCipherSuite",
]
RECOMMENDATION_TYPES: tuple[RecommendationType, ...] = get_args(RecommendationType)
RAW_EVENTS = "RawEvents"


class UserDefinedResources(Struct, frozen=True, kw_only=True):
    """A query of Azure Resource Graph for what belongs to a solution; it is kept, and not asked."""

    query: str | None
    subscriptions: tuple[str, ...] | None


class AdditionalWorkspace(Struct, frozen=True, kw_only=True):
    """A further place for alerts or raw events; it is kept, and nothing is sent there."""

    workspace: str | None = None
    kind: str | None = None
    data_types: tuple[str, ...] = ()


class SecuritySolution(Struct, frozen=True, kw_only=True):
    """
    One solution; its name is compared without case.

    `workspace` and `iot_hubs` are ARM ids as they were sent.
    """

    name: str
    location: str
    tags: dict[str, str] = {}
    workspace: str | None = None
    display_name: str
    iot_hubs: tuple[str, ...]
    status: Switch = "Enabled"
    export: tuple[str, ...] = ()
    disabled_data_sources: tuple[str, ...] = ()
    user_defined_resources: UserDefinedResources | None = None
    disabled_recommendations: tuple[RecommendationType, ...] = ()
    unmasked_ip_logging: Switch = "Disabled"
    additional_workspaces: tuple[AdditionalWorkspace, ...] = ()
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str

    def exports_raw_events(self) -> bool:
        """Whether it is at work and wants raw events kept."""
        return self.status == "Enabled" and RAW_EVENTS in self.export


class GroupSpelling(Struct, frozen=True, kw_only=True):
    """
    How the Azure dialect last spelled a group, as far as the group itself does not say it.

    `threshold_rules` and `denylist_rules` are rules of the families' base classes: Azure has no rule of these
    families, so that they are judged by nobody and only shown again. `durations` are windows as they were written
    (`PT05M`), by rule type. It holds for versions of the group from `version` on.
    """

    version: int
    threshold_rules: tuple[dict[str, Any], ...] = ()
    denylist_rules: tuple[dict[str, Any], ...] = ()
    durations: dict[str, str] = {}
