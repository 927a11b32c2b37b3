"""
The FlatBuffers message of the ThreadX security module (wire-formats 2): events and rows.

A device of this family reports traffic, not who opened a connection: directions are inferred (S15).
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from fencepost.model import event as events
from fencepost.model.address import parse_address
from fencepost.model.event import Connection, Details, Event, Process, Rejected, SecurityMessage
from fencepost.model.instant import SECOND, micros
from fencepost.model.raw_event import RawEvent
from fencepost.wire.body import LIMIT, fingerprint, refuse_size
from fencepost.wire.threadx_schema import (
    Check,
    Flow,
    Item,
    LogRecord,
    Port,
    Reading,
    Reported,
    Run,
    System,
)

SERVICE_PORTS = frozenset({1883, 5671, 5672, 5683, 5684, 8443, 8883})
"""Ports from 1024 on that offer a service to devices: MQTT, AMQP, CoAP, HTTPS."""

_WELL_KNOWN = 1024
_TRIGGERED = {"NetworkActivity", "ProcessCreate", "ProcessTerminate", "Diagnostic"}
_TYPES = {"Heartbeat": "Operational", "Diagnostic": "Diagnostic"}
_UNWATCHED: dict[str, type[events.Unwatched]] = {
    "Heartbeat": events.Heartbeat,
    "SystemInformation": events.SystemInformation,
    "ListeningPorts": events.ListeningPorts,
    "OSBaseline": events.OSBaseline,
    "ProcessTerminate": events.ProcessTerminate,
    "Diagnostic": events.Diagnostic,
}


def decode(body: bytes, limit: int = LIMIT) -> SecurityMessage:
    """
    Return the events of a message and what had to be refused of it, each with its place (S31).

    A flow that names its executable is told twice: within its NetworkActivity, and once more in a
    ProcessCreate of the same id and time, because S14 judges both. Raises DeviceError only when nothing
    can be used: too large, no FlatBuffers, or without events.
    """
    refuse_size(body, limit)
    found: list[Event] = []
    rejected: list[Rejected] = []
    for thing in Reading(body):
        if isinstance(thing, Rejected):
            rejected.append(thing)
        else:
            found += _events(thing)
    return SecurityMessage("threadx", fingerprint(body), found, tuple(rejected))


def rows(body: bytes, limit: int = LIMIT, *, device_id: str = "") -> Iterator[RawEvent | Rejected]:
    """
    Return one row per flow, port, check, process or log record, and every refusal between them.

    A heartbeat is one row without details. The refusals are exactly those of `decode`; raises DeviceError
    as it does, before the first row.
    """
    refuse_size(body, limit)
    reading = Reading(body)
    return (row for thing in reading for row in _rows(thing, device_id, reading.version))


def infer_direction(local_port: int, remote_port: int, protocol: str, bytes_out: int) -> Literal["In", "Out"]:
    """
    Return `Out` for a flow that the device probably opened, else `In` (wire-formats 2.7, S15).

    A flow to which the device sent nothing is `In`. One to which it did is `Out` unless it looks like the
    answer of a service of the device: its own port is a service (below 1024 or in SERVICE_PORTS) and the
    other is not; or neither is and its own port is the lower one. Who sends from a service port on
    purpose is taken for a service: the wire says no more than that.
    """
    if bytes_out == 0:
        return "In"
    if protocol == "ICMP":
        return "Out"
    serves, served = _is_service(local_port), _is_service(remote_port)
    if serves != served:
        return "Out" if served else "In"
    return "Out" if serves or local_port >= remote_port else "In"


def _is_service(port: int) -> bool:
    return 0 < port < _WELL_KNOWN or port in SERVICE_PORTS


def _direction(flow: Flow) -> Literal["In", "Out"]:
    return infer_direction(flow.local_port, flow.remote_port, flow.protocol, flow.bytes_out)


def _events(said: Reported) -> list[Event]:
    if said.name == "NetworkActivity":
        return _network_activity(said)
    if said.name == "ProcessCreate":
        processes = [_process(item, said) for item in said.items if isinstance(item, Run)]
        return [events.ProcessCreate(id=said.id, occurred_at=said.occurred_at, payload=processes)]
    payload = [Details() for _ in said.items]
    return [_UNWATCHED[said.name](id=said.id, occurred_at=said.occurred_at, payload=payload)]


def _network_activity(said: Reported) -> list[Event]:
    flows = [item for item in said.items if isinstance(item, Flow)]
    told: list[Event] = [
        events.NetworkActivity(
            id=said.id,
            occurred_at=said.occurred_at,
            payload=[_connection(flow) for flow in flows],
            full=said.full,
        )
    ]
    if processes := [_flow_process(flow, flow.executable) for flow in flows if flow.executable]:
        told.append(events.ProcessCreate(id=said.id, occurred_at=said.occurred_at, payload=processes))
    return told


def _connection(flow: Flow) -> Connection:
    return Connection(
        direction=_direction(flow),
        remote_address=flow.remote,
        remote_port=str(flow.remote_port),
        local_address=flow.local,
        local_port=str(flow.local_port),
        protocol=flow.protocol,
        executable=flow.executable,
        remote=parse_address(flow.remote),
    )


def _flow_process(flow: Flow, executable: str) -> Process:
    return Process(
        executable=executable,
        command_line=flow.command_line,
        user_id=str(flow.user_id),
        process_id=flow.process_id,
    )


def _process(run: Run, said: Reported) -> Process:
    at = micros(said.occurred_at)
    start = at - said.interval * SECOND
    return Process(
        executable=run.executable,
        command_line=run.command_line,
        user_id=str(run.user_id),
        user_name=run.user_name,
        process_id=run.process_id,
        span=(start, at, run.hits) if run.hits > 1 else None,
    )


def _rows(thing: Reported | Rejected, device_id: str, version: str) -> Iterator[RawEvent | Rejected]:
    if isinstance(thing, Rejected):
        yield thing
        return
    details = [_details(item) for item in thing.items] if thing.name != "Heartbeat" else [{}]
    for told in details:
        yield RawEvent(
            device_id=device_id,
            name=thing.name,
            category="Triggered" if thing.name in _TRIGGERED else "Periodic",
            event_type=_TYPES.get(thing.name, "Security"),
            id=thing.id,
            occurred_at=thing.occurred_at,
            is_empty=False,
            agent_version=version,
            details=told,
        )


def _details(item: Item) -> dict[str, Any]:
    return {key: value for key, value in _TELL[type(item)](item).items() if value is not None}


def _tell_flow(flow: Flow) -> dict[str, Any]:
    return {
        "LocalAddress": flow.local,
        "LocalPort": str(flow.local_port),
        "RemoteAddress": flow.remote,
        "RemotePort": str(flow.remote_port),
        "Protocol": flow.protocol,
        "BytesIn": flow.bytes_in,
        "BytesOut": flow.bytes_out,
        "Direction": _direction(flow),
        "ProcessId": flow.process_id or None,
        "UserId": str(flow.user_id) if flow.user_id else None,
        "Executable": flow.executable,
        "CommandLine": flow.command_line,
    }


def _tell_system(system: System) -> dict[str, Any]:
    return {"OSName": system.os, "KernelInfo": system.kernel, "HardwareInfo": system.hardware}


def _tell_port(port: Port) -> dict[str, Any]:
    return {"LocalAddress": port.address, "LocalPort": str(port.port), "Protocol": port.protocol}


def _tell_check(check: Check) -> dict[str, Any]:
    return {
        "CceId": check.id,
        "Result": check.result,
        "Error": check.error,
        "Description": check.description,
        "Severity": check.severity,
        "Remediation": check.remediation,
    }


def _tell_run(run: Run) -> dict[str, Any]:
    return {
        "Executable": run.executable,
        "ProcessId": run.process_id,
        "ParentProcessId": run.parent_process_id,
        "UserId": str(run.user_id),
        "UserName": run.user_name,
        "CommandLine": run.command_line,
        "HitCount": run.hits if run.hits > 1 else None,
        "EventType": run.event,
    }


def _tell_log(record: LogRecord) -> dict[str, Any]:
    return {
        "Message": record.message,
        "Severity": record.level or None,
        "Line": record.line,
        "FileName": record.file,
        "Timestamp": record.timestamp,
    }


_TELL: dict[type[Item], Callable[[Any], dict[str, Any]]] = {
    Flow: _tell_flow,
    System: _tell_system,
    Port: _tell_port,
    Check: _tell_check,
    Run: _tell_run,
    LogRecord: _tell_log,
}
