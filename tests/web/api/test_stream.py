"""Alerts as they change: to whom they belong, as long as they may see them."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from tests.said import failed_login, message, process
from tests.serving import Serving, until
from tests.web.api.people import token_of

from fencepost.service.feed import OF_ONE

LONG = 30
"""Seconds that a test waits at most."""


@pytest.fixture(scope="module", autouse=True)
def groups(serving: Serving) -> None:
    rules = [
        {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
        {
            "type": "FailedLocalLoginsNotInAllowedRange",
            "min": 0,
            "max": 3,
            "window": "PT5M",
            "severity": "High",
        },
    ]
    for name in ("watched", "other"):
        body = {"members": {"globs": [f"{name[0]}-*"]}, "rules": rules}
        serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()


class Follower(threading.Thread):
    """Reads the stream until it has so many events, or is cut off."""

    def __init__(
        self, serving: Serving, number: int, headers: dict[str, str], token: str | None, query: str
    ) -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[str, Any]] = []
        self.listening = threading.Event()
        self._serving, self._number, self._headers, self._query = serving, number, headers, query
        self._token = token or serving.admin.headers["authorization"].removeprefix("Bearer ")

    def run(self) -> None:
        client = self._serving.client(self._token)
        path = f"/v1/alerts/stream{self._query}"
        with client, client.stream("GET", path, headers=self._headers, timeout=LONG) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for event_id, data in events_of(answer):
                if event_id is None:
                    self.listening.set()
                    continue
                self.events.append((event_id, data))
                if len(self.events) == self._number:
                    return

    @property
    def values(self) -> list[str]:
        return [alert["value"] for _, alert in self.events]


def events_of(answer: httpx2.Response) -> Iterator[tuple[str | None, Any]]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
            continue
        if "data" in fields:
            yield fields["id"], json.loads(fields["data"])
        else:
            yield None, None
        fields = {}


def follow(
    serving: Serving, number: int, *, token: str | None = None, query: str = "", **headers: str
) -> Follower:
    follower = Follower(serving, number, headers, token, query)
    follower.start()
    assert follower.listening.wait(LONG)
    return follower


def test_the_stream_tells_of_alerts_as_they_change_and_goes_on_where_one_left(serving: Serving) -> None:
    follower = follow(serving, 2)
    serving.send("w-live", message(process("/opt/live-1")))
    serving.send("w-live", message(process("/opt/live-2")))
    follower.join(LONG)
    assert [alert["value"] for _, alert in follower.events] == ["/opt/live-1", "/opt/live-2"]
    serving.send("w-live", message(*(process(f"/opt/missed-{number}") for number in range(40))))
    serving.settle()
    first = follower.events[0][0]
    resumed = follow(serving, 42, **{"Last-Event-ID": first})
    resumed.join(LONG)
    values = [alert["value"] for _, alert in resumed.events]
    assert set(values) >= {"/opt/live-2", *(f"/opt/missed-{number}" for number in range(40))}


def test_a_reader_that_names_no_event_of_ours_is_told(serving: Serving) -> None:
    assert serving.admin.get("/v1/alerts/stream", headers={"Last-Event-ID": "x"}).status_code == 400
    assert serving.stranger.get("/v1/alerts/stream").status_code == 401


def test_a_stream_is_of_the_groups_that_its_reader_may_see_and_so_is_what_was_missed(
    serving: Serving,
) -> None:
    token = token_of(serving, ("viewer", "OTHER"))["token"]
    follower = follow(serving, 1, token=token)
    serving.send("w-secret", message(process("/opt/not-theirs")))
    serving.settle()
    serving.send("o-1", message(process("/opt/theirs")))
    follower.join(LONG)
    assert follower.values == ["/opt/theirs"]
    assert {alert["group"] for _, alert in follower.events} == {"other"}
    missed = follow(serving, 1, token=token, **{"Last-Event-ID": "1"})
    missed.join(LONG)
    assert missed.values == ["/opt/theirs"]


def test_a_reader_may_ask_for_a_group_and_for_severities(serving: Serving) -> None:
    follower = follow(serving, 1, query="?group=Other&severity=High")
    serving.send("w-loud", message(*(failed_login() for _ in range(5))))
    serving.send("o-quiet", message(process("/opt/low")))
    serving.settle()
    serving.send("o-loud", message(*(failed_login() for _ in range(5))))
    follower.join(LONG)
    assert [alert["device_id"] for _, alert in follower.events] == ["o-loud"]
    assert serving.admin.get("/v1/alerts/stream?severity=Loud").status_code == 400


def test_a_reader_whose_token_is_revoked_is_cut_off(serving: Serving) -> None:
    made = token_of(serving, ("viewer", None))
    follower = follow(serving, 10_000, token=made["token"])
    serving.send("w-before", message(process("/opt/before")))
    until(lambda: follower.values, LONG)
    serving.admin.delete(f"/v1/tokens/{made['token_id']}").raise_for_status()
    follower.join(LONG)
    assert not follower.is_alive()
    serving.send("w-after", message(process("/opt/after")))
    serving.settle()
    assert "/opt/after" not in follower.values


def test_one_who_leaves_twenty_streams_open_gets_no_more_and_hinders_nobody(serving: Serving) -> None:
    token = token_of(serving, ("viewer", None))["token"]
    with ExitStack() as held:
        client = held.enter_context(serving.client(token))
        for _ in range(OF_ONE):
            answer = held.enter_context(client.stream("GET", "/v1/alerts/stream", timeout=LONG))
            assert answer.status_code == 200
        refused = client.get("/v1/alerts/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        assert "more than 20 times at once" in refused.json()["detail"]
        other = held.enter_context(serving.admin.stream("GET", "/v1/alerts/stream", timeout=LONG))
        assert other.status_code == 200

    def is_let_in() -> bool:
        with serving.client(token) as again, again.stream("GET", "/v1/alerts/stream", timeout=LONG) as answer:
            return answer.status_code == 200

    serving.send("w-wake", message(process("/opt/wake")))
    until(is_let_in, LONG)


def test_a_reader_hears_that_the_stream_lives_while_others_alerts_pass_by(serving: Serving) -> None:
    with serving.client(token_of(serving, ("viewer", "nothing"))["token"]) as client:
        stop = threading.Event()

        def send() -> None:
            while not stop.wait(0.2):
                serving.send("w-noise", message(process("/opt/noise")))

        noise = threading.Thread(target=send)
        noise.start()
        try:
            with client.stream("GET", "/v1/alerts/stream", timeout=60) as answer:
                lines = (line for line in answer.iter_lines() if line.startswith((":", "event")))
                assert next(lines) == ": still here"
        finally:
            stop.set()
            noise.join()
