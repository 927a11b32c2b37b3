"""
Microsoft's default configuration of the legacy agents, as the twin of a new security module has it.

The settings and their defaults are those of the interface `urn:azureiot:Security:SecurityAgentConfiguration:1`
and of Microsoft's documentation. The file and the hash of own baseline checks have no default, and the
agents' own word for the last three priorities is left to their default, which is the same.
"""

from collections.abc import Mapping
from typing import Any

from fencepost.wire.twin import SECTION

_HIGH = ("ListeningPorts", "LocalUsers", "Login")
_LOW = (
    "ConnectedHardware",
    "ProcessCreate",
    "ProcessTerminate",
    "SystemInformation",
    "ConnectionCreate",
    "FirewallConfiguration",
    "OSBaseline",
    "Diagnostic",
    "ConfigurationError",
    "DroppedEventsStatistics",
    "MessageStatistics",
)
_AGGREGATED = ("ProcessCreate", "ConnectionCreate", "ProcessTerminate")

DEFAULTS: Mapping[str, Any] = {
    "highPriorityMessageFrequency": "PT7M",
    "lowPriorityMessageFrequency": "PT5H",
    "snapshotFrequency": "PT13H",
    "maxLocalCacheSizeInBytes": 2_560_000,
    "maxMessageSizeInBytes": 204_800,
    **{f"eventPriority{event}": "High" for event in _HIGH},
    **{f"eventPriority{event}": "Low" for event in _LOW},
    **{f"aggregationEnabled{event}": True for event in _AGGREGATED},
    **{f"aggregationInterval{event}": "PT1H" for event in _AGGREGATED},
    "baselineCustomChecksEnabled": False,
}
"""The value of each setting."""


def default_desired() -> dict[str, Any]:
    """Return the desired properties of a new security module: every setting, wrapped as the agents read it."""
    return {SECTION: {name: {"value": value} for name, value in DEFAULTS.items()}}


def with_whole_section(patch: dict[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a patch of desired properties with the agents' section as it now is, if it touches it.

    The agents take a patch of the section for the whole of it: what it does not name would fall back to its
    default. Settings that the patch takes away stay null in it, as a client that merges needs them.
    """
    touched, whole = patch.get(SECTION), desired.get(SECTION)
    if not isinstance(touched, dict) or not isinstance(whole, dict):
        return patch
    gone = {name: None for name, value in touched.items() if value is None}
    return {**patch, SECTION: {**whole, **gone}}
