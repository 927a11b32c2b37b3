"""What people and programs see, put together: our own API and the dialects beside it."""

from collections.abc import Callable, Iterator
from datetime import datetime

from litestar.types import ASGIApp
from msgspec import Struct

from fencepost import __version__
from fencepost.app.front_door import FrontDoor
from fencepost.config.service import Settings
from fencepost.gateway import https
from fencepost.model.entry import Entry
from fencepost.net.hub_http import spelled_alike
from fencepost.service.commands import Commands
from fencepost.service.intake import Intake
from fencepost.service.pipeline import Pipeline
from fencepost.setup.installation import Installation
from fencepost.store.control import ControlStore
from fencepost.web.api.application import application
from fencepost.web.api.service import Counters, Limits, Service, Tokens
from fencepost.web.azure import iothub


class Web(Struct, frozen=True, kw_only=True, eq=False):
    """The parts of the running service that requests come to."""

    settings: Settings
    installation: Installation
    pipeline: Pipeline
    commands: Commands
    store: ControlStore
    entry: Callable[[int], Entry | None]
    counters: Counters
    clock: Callable[[], datetime]
    troubles: Callable[[], Iterator[str]]
    exposition: Callable[[], tuple[bytes, str]]

    def application(self, front: FrontDoor) -> ASGIApp:
        """Return the application that answers all requests."""
        service = self._service()
        hub = front.hub_service(lambda token: _is_administrator(service, token), service.counters)
        others = [*iothub.HANDLERS, *https.HANDLERS]
        return spelled_alike(application(service, others, hub=hub, gateway=front.gateway))

    def _service(self) -> Service:
        settings, tokens = self.settings, self.installation.tokens
        return Service(
            version=__version__,
            pipeline=self.pipeline,
            commands=self.commands,
            store=self.store,
            access=Tokens(
                {"administrator": tokens.admin, "ingest": tokens.ingest, "metrics": tokens.metrics}
            ),
            limits=Limits(
                message_bytes=settings.ingest.max_message_bytes,
                body_bytes=settings.http.max_body_bytes,
                body_seconds=settings.http.request_timeout.total_seconds(),
                register=settings.ingest.register,
            ),
            intake=Intake(max(2 * settings.ingest.queue_bytes, settings.http.max_body_bytes)),
            counters=self.counters,
            clock=self.clock,
            entry=self.entry,
            troubles=self.troubles,
            exposition=self.exposition,
        )


def _is_administrator(service: Service, token: str) -> bool:
    principal = service.access.principal_of(token)
    return principal is not None and principal.may("administrator")
