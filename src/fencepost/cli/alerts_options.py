"""How commands name alerts: by their ids, or by what they have in common."""

from datetime import datetime
from typing import Annotated, TypeVar, get_args

import typer
from msgspec import Struct

from fencepost.cli.moments import since_of
from fencepost.client.management_alerts import AlertWish
from fencepost.model.alert import State
from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.errors import OperatorError, Problem

T = TypeVar("T", bound=str)

STATES: tuple[State, ...] = get_args(State)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
OPEN: tuple[State, ...] = ("Active", "InProgress")

Id = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the alert, or its first characters, six at least.")
]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID...]", help="The ids of the alerts, or their first characters, six at least."),
]
GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="Only alerts of devices of this group.")
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="ID", help="Only alerts of this device.")
]
RuleOption = Annotated[
    str | None, typer.Option("--rule", metavar="TYPE", help="Only alerts of this rule type.")
]
SeverityOption = Annotated[
    list[str] | None,
    typer.Option(
        "--severity",
        metavar="SEVERITY",
        help="Only alerts so severe: Informational, Low, Medium, High; may stand several times.",
    ),
]
StateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Only alerts in this state: Active, InProgress, Resolved, Dismissed; may stand several times.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only alerts seen since then: 7d, 12h, or 2026-11-24."),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Only alerts seen before then: 7d (ago), or 2026-11-24."),
]
TextOption = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT", help="Only alerts with this in their value or device id."),
]
AssignedOption = Annotated[
    str | None,
    typer.Option(
        "--assigned-to", metavar="NAME", help="Only alerts on which this person works; '' for nobody."
    ),
]


class Filter(Struct, frozen=True, kw_only=True):
    """What these options state."""

    group: str | None = None
    device: str | None = None
    rule: str | None = None
    severities: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    text: str | None = None
    assigned_to: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stated besides a state."""
        return not any(getattr(self, name) for name in self.__struct_fields__ if name != "states") and (
            self.assigned_to is None
        )

    def wish(self, now: datetime, usual: tuple[State, ...] = ()) -> AlertWish:
        """Return which alerts these are, in `usual` states where none is stated; raises OperatorError."""
        if self.rule is not None and self.rule not in CATALOG:
            raise OperatorError([Problem("--rule", f"unknown rule type {self.rule!r}")])
        return AlertWish(
            states=tuple(one_of(text, STATES, "--state") for text in self.states) or usual,
            severities=tuple(one_of(text, SEVERITIES, "--severity") for text in self.severities),
            device_id=self.device,
            group=self.group,
            rule_type=self.rule,
            since=since_of(self.since, "--since", now),
            until=since_of(self.until, "--until", now),
            text=self.text,
            assigned_to=self.assigned_to,
        )


def one_of(text: str, known: tuple[T, ...], option: str) -> T:
    """Return the word that is meant, whatever its case; raises OperatorError, which names the option."""
    found = next((one for one in known if one.casefold() == text.casefold()), None)
    if found is None:
        raise OperatorError([Problem(option, f"{text!r} is none of {', '.join(known)}")])
    return found
