"""For those who keep the service running."""

from tests.said import message, process
from tests.serving import Serving


def test_health_and_readiness_need_no_token_and_say_little(serving: Serving) -> None:
    assert serving.stranger.get("/healthz").json()["status"] == "ok"
    assert serving.stranger.get("/readyz").json() == {"ready": True, "troubles": []}


def test_figures_are_for_the_metrics_token(serving: Serving) -> None:
    serving.send("m-1", message(process("/bin/a")))
    serving.settle()
    assert serving.stranger.get("/metrics").status_code == 401
    assert serving.ingest.get("/metrics").status_code == 403
    answer = serving.metrics.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert serving.figure("fencepost_messages_total ") >= 1
    assert serving.figure("fencepost_position ") >= 1
    assert serving.figure("fencepost_commit_delay_seconds_count") >= 1
    assert serving.figure("fencepost_journal_writable") == 1
    assert serving.figure("fencepost_store_reachable") == 1


def test_what_is_not_there_is_a_problem_in_the_usual_form(serving: Serving) -> None:
    answer = serving.admin.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    answer = serving.admin.request("PATCH", "/v1/alerts")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_a_browser_finds_out_what_this_is_and_no_more(serving: Serving) -> None:
    answer = serving.stranger.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "ready: messages are taken and judged" in answer.text
    assert f"{serving.url}/v1/alerts" in answer.text
    forged = serving.stranger.get("/", headers={"Host": 'x"><script>alert(1)</script>'})
    assert "<script>" not in forged.text
