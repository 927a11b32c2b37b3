"""The catalogue over the API."""

from tests.serving import Serving
from tests.web.api.people import somebody

from fencepost.model.catalog import CATALOG


def test_the_catalogue_is_there_whole_and_in_its_order(serving: Serving) -> None:
    rows = serving.admin.get("/v1/rule-types").json()["items"]
    assert [row["name"] for row in rows] == [*CATALOG]
    row = next(row for row in rows if row["name"] == "ConnectionToIpNotAllowed")
    assert (row["family"], row["value_type"], row["direction"]) == ("allowlist", "IpCidr", "Out")
    assert row["alert_type"] == "IoT_CA_ConnectionToIpNotAllowed"
    assert row["sources"] == ["legacy", "threadx"]
    assert row["remediation"]


def test_whoever_may_read_something_may_read_the_catalogue(serving: Serving) -> None:
    with somebody(serving, ("viewer", "anything")) as viewer:
        assert viewer.get("/v1/rule-types").status_code == 200
    assert serving.stranger.get("/v1/rule-types").status_code == 401
    assert serving.ingest.get("/v1/rule-types").status_code == 403
