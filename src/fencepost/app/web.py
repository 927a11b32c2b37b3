"""What people and programs see, put together: our own API and the dialects beside it."""

from collections.abc import Callable, Iterator
from datetime import datetime

from litestar.types import ASGIApp
from msgspec import Struct

from fencepost import __version__
from fencepost.app.access import provider_of
from fencepost.app.front_door import FrontDoor
from fencepost.config.service import Settings
from fencepost.gateway import https
from fencepost.model.entry import Entry
from fencepost.net.hub_http import spelled_alike
from fencepost.service.access import Access
from fencepost.service.commands import Commands
from fencepost.service.intake import Intake
from fencepost.service.mending import Mending
from fencepost.service.pipeline import Pipeline
from fencepost.service.solutions import Solutions
from fencepost.setup.installation import Installation
from fencepost.store.control import ControlStore
from fencepost.web.api.application import application
from fencepost.web.api.service import Counters, Limits, Service
from fencepost.web.azure import arm, iothub, oauth
from fencepost.web.pages import HANDLERS as PAGES
from fencepost.web.pages.openid import OpenId
from fencepost.web.pages.site import Site


class Web(Struct, frozen=True, kw_only=True, eq=False):
    """The parts of the running service that requests come to."""

    settings: Settings
    installation: Installation
    pipeline: Pipeline
    commands: Commands
    store: ControlStore
    access: Access
    solutions: Solutions
    entry: Callable[[int], Entry | None]
    counters: Counters
    clock: Callable[[], datetime]
    troubles: Callable[[], Iterator[str]]
    exposition: Callable[[], tuple[bytes, str]]

    def application(self, front: FrontDoor) -> ASGIApp:
        """Return the application that answers all requests."""
        service = self._service()
        hub = front.hub_service(service.access.principal_of, service.counters)
        others = [*iothub.HANDLERS, *https.HANDLERS, *oauth.HANDLERS, *arm.HANDLERS, *PAGES]
        state = {"hub": hub, "gateway": front.gateway, "site": self._site(), "authority": self._authority()}
        state["arm"] = self._arm(service)
        return arm.spelled_alike(spelled_alike(application(service, others, **state)))

    def _arm(self, service: Service) -> arm.ArmService:
        identity = self.installation.identity
        return arm.ArmService(
            service=service,
            place=arm.Place(
                subscription_id=identity.subscription_id,
                tenant_id=identity.tenant_id,
                resource_group=identity.resource_group,
                iothub_name=identity.iothub_name,
                workspace_id=identity.workspace_id,
                location=identity.location,
            ),
            spellings=self.store,
            vendor_name=self.settings.azure.vendor_name,
        )

    def _site(self) -> Site:
        provider = provider_of(self.settings)
        openid = OpenId(provider, self.clock) if provider is not None else None
        return Site(url=self.settings.access.url, openid=openid)

    def _authority(self) -> oauth.Authority:
        return oauth.Authority(tenant_id=self.installation.identity.tenant_id)

    def _service(self) -> Service:
        settings = self.settings
        return Service(
            version=__version__,
            pipeline=self.pipeline,
            commands=self.commands,
            mending=Mending(self.commands, self.store, self.clock),
            store=self.store,
            access=self.access,
            solutions=self.solutions,
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
