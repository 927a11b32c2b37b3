"""
The payloads that no rule reads, as wire-formats 1.2 lists them: for rows that people search.

Members may be missing and unknown ones are welcome; only a known member of the wrong JSON type is refused.
"""

from typing import Any

import msgspec

from fencepost.wire.fault import explain

DEEPEST = 32
"""How deep the members of a payload may nest, so that whatever reads the row later can follow."""

_Text = str | None
_Loose = str | int | None
_Whole = int | None
_Flag = bool | None
_Extra = dict[str, Any] | None

_MEMBERS: dict[str, dict[str, Any]] = {
    "ProcessTerminate": {"Executable": _Text, "ProcessId": _Loose, "ExitStatus": _Whole},
    "ListeningPorts": {
        "LocalAddress": _Text,
        "LocalPort": _Loose,
        "RemoteAddress": _Text,
        "RemotePort": _Loose,
        "Protocol": _Text,
    },
    "FirewallConfiguration": {
        "Enabled": _Flag,
        "Action": _Text,
        "Priority": _Whole,
        "Direction": _Text,
        "ChainName": _Text,
        "Application": _Text,
        "SourceAddress": _Text,
        "SourcePort": _Loose,
        "DestinationAddress": _Text,
        "DestinationPort": _Loose,
        "Protocol": _Text,
    },
    "LocalUsers": {"UserId": _Loose, "UserName": _Text, "GroupIds": _Loose, "GroupNames": _Text},
    "ConnectedHardware": {
        "HardwareCategory": _Text,
        "HardwareSubCategory": _Text,
        "HardwareName": _Text,
        "ConnectedHardware": _Text,
    },
    "OSBaseline": {"Description": _Text, "CceId": _Loose, "Error": _Text, "Result": _Text, "Severity": _Text},
    "SystemInformation": {
        **dict.fromkeys(("OSName", "OSVersion", "OSVendor", "OsArchitecture", "HostName"), _Text),
        **dict.fromkeys(("BIOSVersion", "BootDevice"), _Text),
        **dict.fromkeys(("TotalPhysicalMemoryInKB", "FreePhysicalMemoryInKB"), _Whole),
        **dict.fromkeys(("TotalVirtualMemoryInKB", "FreeVirtualMemoryInKB"), _Whole),
    },
    "Diagnostic": {
        "Severity": _Text,
        "Message": _Text,
        "ProcessId": _Loose,
        "ThreadId": _Loose,
        "CorrelationId": _Loose,
    },
    "ConfigurationError": {
        "ConfigurationName": _Text,
        "ErrorType": _Text,
        "UsedConfiguration": _Text,
        "Message": _Text,
    },
    "DroppedEventsStatistics": {"Queue": _Text, "CollectedEvents": _Loose, "DroppedEvents": _Loose},
    "MessageStatistics": {"MessagesSent": _Whole, "MessagesUnder4KB": _Whole, "TotalFailed": _Whole},
}


def _shape(name: str, members: dict[str, Any]) -> type[msgspec.Struct]:
    fields = [(member, kind, None) for member, kind in {**members, "ExtraDetails": _Extra}.items()]
    return msgspec.defstruct(name, fields)


_SHAPES = {name: _shape(name, members) for name, members in _MEMBERS.items()}


def misfit(name: str, payload: dict[str, Any]) -> tuple[str, str] | None:
    """Return the member and the reason why a payload of this event cannot become a row, or None."""
    if deeper_than(payload, DEEPEST):
        return "", f"nested deeper than {DEEPEST} levels"
    if name in _SHAPES:
        try:
            msgspec.convert(payload, _SHAPES[name])
        except msgspec.ValidationError as error:
            return explain(error)
    return None


def deeper_than(value: Any, levels: int) -> bool:
    """Tell whether objects and arrays nest more than so many levels."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(deeper_than(member, levels - 1) for member in value)
