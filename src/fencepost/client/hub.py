"""A running service as the IoT Hub that it also is: its identity registry and its twins, by the service REST API."""

from collections.abc import AsyncGenerator, Collection, Sequence
from random import random
from shlex import quote as quoted
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from fencepost.client.hub_shapes import BulkResult, HubIdentity, HubTwin, Line, Refused
from fencepost.client.requests import Answer, Requests
from fencepost.client.retry import pause
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import IdentityKey

VERSION = "2021-04-12"
MOST_ITEMS = 100
"""Items of one bulk operation, and twins of one page."""
PATIENCE = 20.0
"""Seconds of waiting after which a call is given up."""
LONGEST_BULK = 60.0
"""Seconds in which a bulk operation is answered."""

_MISSING, _CONFLICT, _OUTDATED, _BAD = 404, 409, 412, 400
T = TypeVar("T")


class Hub:
    """
    The registry behind requests that are open; a call that finds the service busy or away is repeated.

    Whatever does not mend itself is raised as OperatorError.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.url = requests.url

    async def find(self, key: IdentityKey) -> HubIdentity | None:
        """Return a device or a module, None where it is not registered."""
        answer = await self._call("GET", path_of(key), known={_MISSING})
        return None if answer.status == _MISSING else self._understood(answer, HubIdentity)

    async def identity(self, key: IdentityKey) -> HubIdentity:
        """Return a device or a module; raises OperatorError where it is not registered."""
        found = await self.find(key)
        if found is None:
            raise missing(key)
        return found

    async def modules(self, device_id: str) -> list[HubIdentity]:
        """Return the modules of a device; of one that is not registered there are none."""
        answer = await self._call("GET", f"{path_of(IdentityKey(device_id))}/modules", known={_MISSING})
        return [] if answer.status == _MISSING else self._understood(answer, list[HubIdentity])

    async def create(self, wanted: HubIdentity) -> HubIdentity:
        """Register, and return it with the keys that were made for it; raises OperatorError if it is there."""
        answer = await self._put(wanted, {}, known={_MISSING, _CONFLICT})
        if answer.status == _MISSING:
            raise missing(IdentityKey(wanted.device_id))
        if answer.status == _CONFLICT:
            raise OperatorError(
                [Problem(str(wanted.key), f"it is registered already{_shown_by(wanted.key)}")]
            )
        return self._understood(answer, HubIdentity)

    async def update(self, wanted: HubIdentity) -> HubIdentity:
        """Change what was read before; raises OperatorError where somebody else was faster."""
        answer = await self._put(wanted, _if_match(wanted.etag), known={_MISSING, _OUTDATED})
        if answer.status == _MISSING:
            raise missing(wanted.key)
        if answer.status == _OUTDATED:
            reason = "somebody else changed it at this moment: look at it again, and repeat the command"
            raise OperatorError([Problem(str(wanted.key), reason)])
        return self._understood(answer, HubIdentity)

    async def delete(self, key: IdentityKey) -> bool:
        """Take away, and return whether it was there."""
        answer = await self._call("DELETE", path_of(key), known={_MISSING}, headers=_if_match(None))
        return answer.status != _MISSING

    async def twin(self, key: IdentityKey) -> HubTwin:
        """Return a twin; raises OperatorError where the identity is not registered."""
        answer = await self._call("GET", path_of(key, "twins"), known={_MISSING})
        if answer.status == _MISSING:
            raise missing(key)
        return self._understood(answer, HubTwin)

    async def patch_twin(self, key: IdentityKey, patch: dict[str, Any]) -> None:
        """Merge tags and desired properties into a twin; null takes a member away."""
        answer = await self._call(
            "PATCH", path_of(key, "twins"), known={_MISSING}, json=patch, headers=_if_match(None)
        )
        if answer.status == _MISSING:
            raise missing(key)

    async def twins(self, query: str) -> AsyncGenerator[list[HubTwin], None]:
        """Yield the twins that a query finds, page by page, in the order of their ids."""
        headers = {"x-ms-max-item-count": str(MOST_ITEMS)}
        while True:
            answer = await self._call("POST", "/devices/query", json={"query": query}, headers=headers)
            yield self._understood(answer, list[HubTwin])
            following = answer.headers.get("x-ms-continuation")
            if not following:
                return
            headers["x-ms-continuation"] = following

    async def put_all(self, lines: Sequence[Line]) -> list[Refused]:
        """
        Carry out at most `MOST_ITEMS` lines, each by its import mode, and return those that were refused.

        Those for which the service was too busy are tried again for as long as others are.
        """
        left, refused, spent, attempt = {line.key: line for line in lines}, [], 0.0, 0
        while left:
            errors = await self._put_all([*left.values()])
            wait = pause(attempt, random)
            spent, attempt = spent + wait, attempt + 1
            is_over = spent > PATIENCE
            refused += [one for one in errors if is_over or not one.is_busy]
            left = {
                one.key: left[one.key] for one in errors if one.is_busy and one.key in left and not is_over
            }
            if left:
                await self._requests.sleep(wait)
        return refused

    async def _put_all(self, lines: Sequence[Line]) -> tuple[Refused, ...]:
        answer = await self._call(
            "POST",
            "/devices",
            known={_BAD},
            content=msgspec.json.encode(lines),
            headers={"Content-Type": "application/json"},
            timeout=LONGEST_BULK,
        )
        result = self._understood(answer, BulkResult)
        if result.is_successful is None:
            raise OperatorError([self._requests.trouble_with(answer)])
        return result.errors

    async def _put(self, wanted: HubIdentity, headers: dict[str, str], known: Collection[int]) -> Answer:
        content = msgspec.json.encode(wanted.body())
        return await self._call(
            "PUT",
            path_of(wanted.key),
            known=known,
            content=content,
            headers={"Content-Type": "application/json", **headers},
        )

    async def _call(self, method: str, path: str, known: Collection[int] = (), **request: Any) -> Answer:
        params = {"api-version": VERSION}
        return await self._requests.answered(method, path, PATIENCE, known=known, params=params, **request)

    def _understood(self, answer: Answer, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            reason = f"its answer is not what this version understands ({error}): is it a Fencepost of another version?"
            raise OperatorError([Problem(self.url, reason)]) from error


def path_of(key: IdentityKey, root: str = "devices") -> str:
    """Return the path of an identity, or with root `twins` of its twin."""
    device = f"/{root}/{quote(key.device_id, safe='')}"
    return device if key.module_id is None else f"{device}/modules/{quote(key.module_id, safe='')}"


def missing(key: IdentityKey) -> OperatorError:
    what, command = (
        ("device", "list") if key.module_id is None else ("module", f"show {quoted(key.device_id)}")
    )
    reason = f"there is no {what} of this id; `fencepost devices {command}` names those that there are"
    return OperatorError([Problem(str(key), reason)])


def _shown_by(key: IdentityKey) -> str:
    return f": `fencepost devices show {quoted(key.device_id)}` shows it"


def _if_match(etag: str | None) -> dict[str, str]:
    """Return the header of a change of this version, or of any; etags stand in quotes."""
    return {"If-Match": f'"{etag or "*"}"'}
