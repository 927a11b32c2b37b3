"""A running service's expectations: its groups, the layers beside them, and who edited them."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import structs

from fencepost.client.management import (
    BAD,
    CONFLICT,
    FORBIDDEN,
    MISSING,
    OUTDATED,
    PAGE,
    UNPROCESSABLE,
    Api,
    matching,
    refused,
)
from fencepost.client.management_shapes import (
    AuditPage,
    GroupPage,
    GroupShape,
    LayerPage,
    LayerShape,
    body_of_group,
    body_of_layer,
)
from fencepost.client.requests import Answer
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import Layer
from fencepost.model.record import AuditRecord
from fencepost.model.rule import SecurityGroup

REFUSALS = frozenset({BAD, CONFLICT, OUTDATED, UNPROCESSABLE})
MEANWHILE = "somebody else changed it meanwhile: look at it again, and repeat the command"


class Expectations:
    """The groups and layers of a service."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def groups(self) -> tuple[SecurityGroup, ...]:
        """Return the groups that may be seen, in the order in which they were made."""
        page = self.api.understood(await self.api.get("/v1/groups"), GroupPage)
        return tuple(self._group(shape) for shape in page.items)

    async def group(self, name: str) -> SecurityGroup:
        """Return a group; raises OperatorError where there is none of this name."""
        answer = await self.api.get(_path_of(name), known={BAD, MISSING})
        if answer.status in {BAD, MISSING}:
            raise no_group(name)
        return self._group(self.api.understood(answer, GroupShape))

    async def put_group(
        self, wanted: SecurityGroup, known: SecurityGroup | None, now: datetime
    ) -> SecurityGroup:
        """
        Put a group in the place of the one that was seen, or make it where there was none.

        Raises OperatorError, with everything that is wrong or where somebody else was faster.
        """
        body = body_of_group(wanted, known, now)
        headers = matching(known.version if known is not None else None)
        answer = await self.api.put(_path_of(wanted.name), body, known=REFUSALS, headers=headers)
        if answer.status == OUTDATED:
            return await self._arrived(wanted, body, now)
        if answer.status in REFUSALS:
            raise refused(wanted.name, answer)
        return self._group(self.api.understood(answer, GroupShape))

    async def _arrived(self, wanted: SecurityGroup, body: dict[str, Any], now: datetime) -> SecurityGroup:
        """Return the group that a call whose answer was lost has put; raises OperatorError if it is another's."""
        answer = await self.api.get(_path_of(wanted.name), known={MISSING})
        if answer.status != MISSING:
            standing = self._group(self.api.understood(answer, GroupShape))
            if body_of_group(wanted, standing, now) == body_of_group(standing, standing, now):
                return standing
        raise OperatorError([Problem(wanted.name, MEANWHILE)])

    async def delete_group(self, known: SecurityGroup) -> None:
        """Take away a group that was seen; raises OperatorError where it has been changed since."""
        answer = await self.api.delete(
            _path_of(known.name), known={MISSING, CONFLICT, OUTDATED}, headers=matching(known.version)
        )
        if answer.status == OUTDATED:
            raise OperatorError([Problem(known.name, MEANWHILE)])
        if answer.status == CONFLICT:
            raise refused(known.name, answer)

    async def fleet(self) -> Layer | None:
        """Return the layer of the whole fleet; None where this token may not see it."""
        answer = await self.api.get("/v1/fleet", known={FORBIDDEN, MISSING})
        return None if answer.status in {FORBIDDEN, MISSING} else self._layer(answer, None)

    async def device_layer(self, device_id: str) -> Layer:
        """Return a device's own layer, an empty one where it has none."""
        answer = await self.api.get(_layer_path(device_id), known={MISSING})
        return Layer(device_id=device_id) if answer.status == MISSING else self._layer(answer, device_id)

    async def device_layers(self) -> tuple[Layer, ...] | None:
        """Return the layers of all devices that have one; None where this token may not see them."""
        found: list[Layer] = []
        after: str | None = None
        while True:
            answer = await self.api.get("/v1/overrides", known={FORBIDDEN, MISSING}, after=after, limit=PAGE)
            if answer.status in {FORBIDDEN, MISSING}:
                return None
            page = self.api.understood(answer, LayerPage)
            found += (self._read(shape, shape.device_id) for shape in page.items)
            if page.next is None:
                return tuple(found)
            after = page.next

    async def put_layer(self, wanted: Layer, known: Layer, now: datetime) -> Layer:
        """Put a layer in the place of the one that was seen; raises OperatorError as `put_group` does."""
        path, body = _layer_path(wanted.device_id), body_of_layer(wanted, known, now)
        answer = await self.api.put(path, body, known=REFUSALS, headers=matching(known.version))
        if answer.status == OUTDATED:
            standing = self._layer(await self.api.get(path), wanted.device_id)
            if body_of_layer(wanted, standing, now) != body_of_layer(standing, standing, now):
                raise OperatorError([Problem(subject_of(wanted), MEANWHILE)])
            return standing
        if answer.status in REFUSALS:
            raise refused(subject_of(wanted), answer)
        return self._layer(answer, wanted.device_id)

    async def audit(self, *, limit: int | None = None, **wanted: Any) -> AsyncGenerator[AuditRecord, None]:
        """Yield what was changed, the latest first; `wanted` are actor, action, subject, since, until."""
        number = 0
        async for record in self.api.pages("/v1/audit", AuditPage, **wanted):
            if number == limit:
                return
            number += 1
            yield record

    async def effect_on(self, subject: str) -> str:
        """Return what the latest edit of a subject led to; nothing where that cannot be learnt: it is done."""
        try:
            answer = await self.api.get("/v1/audit", known={FORBIDDEN}, subject=subject, limit=1)
        except OperatorError:
            return ""
        if answer.status == FORBIDDEN:
            return ""
        found = self.api.understood(answer, AuditPage).items
        return found[0].effect if found and found[0].subject == subject else ""

    def _group(self, shape: GroupShape) -> SecurityGroup:
        try:
            return shape.group()
        except msgspec.MsgspecError as error:
            raise self.api.foreign(error) from error

    def _layer(self, answer: Answer, device_id: str | None) -> Layer:
        return self._read(self.api.understood(answer, LayerShape), device_id)

    def _read(self, shape: LayerShape, device_id: str | None) -> Layer:
        try:
            return structs.replace(shape.layer(), device_id=device_id)
        except msgspec.MsgspecError as error:
            raise self.api.foreign(error) from error


def subject_of(layer: Layer) -> str:
    """Return what people call a layer."""
    return "fleet" if layer.device_id is None else f"device {layer.device_id}"


def no_group(name: str) -> OperatorError:
    return OperatorError(
        [Problem(name, "there is no group of this name; `fencepost groups list` names those that there are")]
    )


def _path_of(name: str) -> str:
    return f"/v1/groups/{quote(name, safe='')}"


def _layer_path(device_id: str | None) -> str:
    return "/v1/fleet" if device_id is None else f"/v1/devices/{quote(device_id, safe='')}/overrides"
