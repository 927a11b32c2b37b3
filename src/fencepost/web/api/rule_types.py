"""`/v1/rule-types`: the catalogue, from which forms and programs learn what rules there are."""

from litestar import get
from msgspec import Struct

from fencepost.model.catalog import CATALOG, RuleType
from fencepost.web.api.access import requires
from fencepost.web.api.codec import built, derived, written
from fencepost.web.api.documented import problems_of

_MEANINGS = {
    "family": "Which members a rule has: min, max and window; min and max; allow; or deny.",
    "event": "The event that is watched.",
    "subject": "What is judged or counted.",
    "sources": "Who can feed the rule; nobody where there is none.",
    "counted": "What a number is of.",
    "value_type": "What the entries of a list are.",
    "intent": "What whoever breaks the rule may be after; Unknown where a number alone says nothing.",
    "severity": "How severe an alert is, unless the rule says otherwise.",
}


@derived(RuleType, meanings=_MEANINGS, needed=True)
class RuleTypeView(Struct):
    """One kind of expectation."""

    alert_type: str


class RuleTypes(Struct, frozen=True):
    """All types of rules; those that Azure had come first, in its order."""

    items: list[RuleTypeView]


@get(
    "/v1/rule-types",
    guards=[requires("viewer")],
    operation_id="listRuleTypes",
    summary="List the types of rules.",
    responses=problems_of(401, 403),
    tags=["groups"],
)
async def list_rule_types() -> RuleTypes:
    """Return what rules there are, with their texts."""
    return RuleTypes(
        [built(RuleTypeView, **written(row), alert_type=row.alert_type) for row in CATALOG.values()]
    )
