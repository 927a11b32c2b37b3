"""Every operation of the ARM dialect."""

from fencepost.web.azure.arm import (
    alerts,
    analytics,
    groups,
    iot_alerts,
    solutions,
    subscriptions,
    suppressions,
)
from fencepost.web.azure.arm.routing import Operate, Operation

SUBSCRIPTION = "/subscriptions/{subscription}"
RESOURCE_GROUP = f"{SUBSCRIPTION}/resourceGroups/{{resource_group}}"
HUB = f"{RESOURCE_GROUP}/providers/Microsoft.Devices/iotHubs/{{hub}}"
SECURITY = "providers/Microsoft.Security"
GROUPS = f"{HUB}/{SECURITY}/deviceSecurityGroups"
SOLUTIONS = f"{RESOURCE_GROUP}/{SECURITY}/iotSecuritySolutions"
SOLUTION = f"{SOLUTIONS}/{{solution}}"
MODELS = f"{SOLUTION}/analyticsModels"
SUPPRESSIONS = f"{SUBSCRIPTION}/{SECURITY}/alertsSuppressionRules"

OF_GROUPS = ("2019-08-01", "2017-08-01-preview")
OF_ALERTS = ("2022-01-01", "2021-11-01")
"""The older one is what @azure/arm-security sends."""
OF_SUPPRESSIONS = ("2019-01-01-preview",)
OF_SOLUTIONS = ("2019-08-01",)


def _alerts() -> tuple[Operation, ...]:
    """Both scopes, each of them as a whole and by location."""
    made = []
    for scope in (SUBSCRIPTION, RESOURCE_GROUP):
        located = f"{scope}/{SECURITY}/locations/{{location}}/alerts"
        calls: list[tuple[str, str, Operate]] = [
            ("GET", f"{scope}/{SECURITY}/alerts", alerts.list_alerts),
            ("GET", located, alerts.list_alerts),
            ("GET", f"{located}/{{alert}}", alerts.get_alert),
            *(("POST", f"{located}/{{alert}}/{word}", alerts.mover(word)) for word in alerts.WORDS),
        ]
        made += [Operation(method, path, OF_ALERTS, operate) for method, path, operate in calls]
    simulate = f"{SUBSCRIPTION}/{SECURITY}/locations/{{location}}/alerts/default/simulate"
    return (*made, Operation("POST", simulate, OF_ALERTS, alerts.simulate))


OPERATIONS: tuple[Operation, ...] = (
    *subscriptions.OPERATIONS,
    Operation("GET", GROUPS, OF_GROUPS, groups.list_groups),
    Operation("GET", f"{GROUPS}/{{group}}", OF_GROUPS, groups.get_group),
    Operation("PUT", f"{GROUPS}/{{group}}", OF_GROUPS, groups.put_group),
    Operation("DELETE", f"{GROUPS}/{{group}}", OF_GROUPS, groups.delete_group),
    *_alerts(),
    Operation("GET", SUPPRESSIONS, OF_SUPPRESSIONS, suppressions.list_rules),
    Operation("GET", f"{SUPPRESSIONS}/{{rule}}", OF_SUPPRESSIONS, suppressions.get_rule),
    Operation("PUT", f"{SUPPRESSIONS}/{{rule}}", OF_SUPPRESSIONS, suppressions.put_rule),
    Operation("DELETE", f"{SUPPRESSIONS}/{{rule}}", OF_SUPPRESSIONS, suppressions.delete_rule),
    Operation(
        "GET", f"{SUBSCRIPTION}/{SECURITY}/iotSecuritySolutions", OF_SOLUTIONS, solutions.list_solutions
    ),
    Operation("GET", SOLUTIONS, OF_SOLUTIONS, solutions.list_solutions),
    Operation("GET", SOLUTION, OF_SOLUTIONS, solutions.get_solution),
    Operation("PUT", SOLUTION, OF_SOLUTIONS, solutions.put_solution),
    Operation("PATCH", SOLUTION, OF_SOLUTIONS, solutions.patch_solution),
    Operation("DELETE", SOLUTION, OF_SOLUTIONS, solutions.delete_solution),
    Operation("GET", MODELS, OF_SOLUTIONS, analytics.list_models),
    Operation("GET", f"{MODELS}/{{model}}", OF_SOLUTIONS, analytics.get_model),
    Operation("GET", f"{MODELS}/{{model}}/aggregatedAlerts", OF_SOLUTIONS, analytics.list_aggregated),
    Operation(
        "GET", f"{MODELS}/{{model}}/aggregatedAlerts/{{type}}/{{day}}", OF_SOLUTIONS, analytics.get_aggregated
    ),
    Operation(
        "POST",
        f"{MODELS}/{{model}}/aggregatedAlerts/{{type}}/{{day}}/dismiss",
        OF_SOLUTIONS,
        analytics.dismiss_aggregated,
    ),
    Operation(
        "GET", f"{MODELS}/{{model}}/aggregatedRecommendations", OF_SOLUTIONS, analytics.list_recommendations
    ),
    Operation(
        "GET",
        f"{MODELS}/{{model}}/aggregatedRecommendations/{{recommendation}}",
        OF_SOLUTIONS,
        analytics.get_recommendation,
    ),
    Operation("GET", f"{SOLUTION}/iotAlerts", OF_SOLUTIONS, iot_alerts.list_alerts),
    Operation("GET", f"{SOLUTION}/iotAlerts/{{alert}}", OF_SOLUTIONS, iot_alerts.get_alert),
    Operation("GET", f"{SOLUTION}/iotAlertTypes", OF_SOLUTIONS, iot_alerts.list_types),
    Operation("GET", f"{SOLUTION}/iotAlertTypes/{{type}}", OF_SOLUTIONS, iot_alerts.get_type),
    *(
        Operation("GET", f"{SOLUTION}/{kind}{further}", OF_SOLUTIONS, operate)
        for kind in ("iotRecommendations", "iotRecommendationTypes")
        for further, operate in (
            ("", analytics.list_recommendations),
            ("/{recommendation}", analytics.get_recommendation),
        )
    ),
)
