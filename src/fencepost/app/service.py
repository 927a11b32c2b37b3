"""The service put together: journal, control store, detector, pipeline and door, from start to clean end."""

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Event

import uvloop
from msgspec import Struct, structs

from fencepost import __version__
from fencepost.app import access as access_control
from fencepost.app.front_door import FrontDoor
from fencepost.app.memory import set_memory_aside, set_up_memory
from fencepost.app.metrics import Metrics
from fencepost.app.sockets import PROTOCOLS, Sockets, port_of
from fencepost.app.web import Web
from fencepost.config.service import Settings
from fencepost.model.entry import GatewayOpened
from fencepost.model.errors import OperatorError, Problem
from fencepost.net.descriptors import raise_descriptor_limit
from fencepost.service.access import Access
from fencepost.service.clock import RunningClock
from fencepost.service.commands import Commands
from fencepost.service.feed import Feed
from fencepost.service.patience import Patience, Stopped
from fencepost.service.pipeline import Busy, Item, Pace, Pipeline
from fencepost.service.processor import Processor
from fencepost.service.recovery import mark_of, recover
from fencepost.service.solutions import Solutions
from fencepost.setup.installation import Installation
from fencepost.store.control import ControlStore
from fencepost.store.journal.group_commit import GroupCommit
from fencepost.store.journal.journal import Journal
from fencepost.store.snapshots import Snapshot, Snapshots
from fencepost.web.api.service import Counters
from fencepost.web.server import Binding, QuietServer, server_for

STARTING = "fencepost"
"""Who makes the default group, in the audit."""
THREADS = 16
"""That wait for the store and the disk on behalf of requests."""

_log = logging.getLogger("fencepost")


class Ports(Struct, frozen=True):
    """Where the service listens; None where it does not."""

    https: int
    mqtt: int | None
    amqp: int | None


def run(
    settings: Settings,
    installation: Installation,
    *,
    listening: Callable[[Ports, str | None], None],
    recalled: Callable[[int], None] = lambda _: None,
) -> None:
    """
    Serve until SIGTERM or SIGINT.

    `listening` hears the ports when messages are taken, and while there is no user the code with which the first
    administrator comes in; `recalled` how far the journal has been read again at the start. Raises OperatorError for what the operator must mend.
    """
    set_up_memory()
    uvloop.run(_Run(settings, installation, listening, recalled).main())


class _Stores(Struct, frozen=True):
    journal: Journal
    control: ControlStore
    snapshots: Snapshots


class _Run:
    """One run of the service."""

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        listening: Callable[[Ports, str | None], None],
        recalled: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._installation = installation
        self._listening = listening
        self._recalled = recalled
        self._stopping = Event()
        self._patience = Patience(self._stopping)
        self._ending = asyncio.Event()
        self._clock = RunningClock(_wall_clock, time.monotonic)

    async def main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, "fencepost"))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        self._most_devices = _connections_of_devices(self._settings)
        _refuse_unusable(self._binding())
        with Sockets(self._settings) as sockets:
            try:
                stores = await asyncio.to_thread(self._open)
                try:
                    await self._serve(stores, sockets)
                finally:
                    await asyncio.to_thread(_close, stores)
            except Stopped:
                _log.warning("ended before all was done: the journal holds the rest")
        _log.info("ended")

    def _end(self) -> None:
        _log.info("ending")
        self._stopping.set()
        self._ending.set()

    def _open(self) -> _Stores:
        settings = self._settings
        journal = Journal.open(
            settings.journal.folder,
            clock=_wall_clock,
            seal_bytes=settings.journal.seal_bytes,
            seal_age=settings.journal.seal_age,
        )
        try:
            control = self._patience.until_done(lambda: ControlStore.open(settings.control.url))
            committed = self._patience.until_done(control.position)
        except BaseException:
            journal.close()
            raise
        if committed > journal.last_position:
            journal.continue_after(committed)
        for one in (*journal.damages, *journal.gaps):
            _log.error("the journal is damaged: %s", one)
        snapshots = Snapshots(self._installation.snapshots)
        snapshots.drop_after(committed)
        return _Stores(journal, control, snapshots)

    async def _serve(self, stores: _Stores, sockets: Sockets) -> None:
        began = time.monotonic()
        processor = await asyncio.to_thread(self._recover, stores)
        set_memory_aside()
        seconds = round(time.monotonic() - began, 3)
        _log.info("recovered", extra={"position": processor.position, "seconds": seconds})
        feed = Feed()
        pipeline = self._pipeline(processor, feed, stores)
        commits = GroupCommit[Item](
            stores.journal,
            lambda item: item.entry,
            pipeline.committed,
            self._settings.journal.commit_interval.total_seconds(),
        )
        pipeline.commits = commits
        working = asyncio.create_task(pipeline.run())
        try:
            await self._open_the_doors(pipeline, stores, sockets, working)
        finally:
            pipeline.close_the_door()
            await commits.close()
            pipeline.stop()
            await working
            await pipeline.close()

    def _recover(self, stores: _Stores) -> Processor:
        processor = recover(
            stores.journal,
            stores.control,
            stores.snapshots.newest(self._patience.until_done(stores.control.position)),
            now=self._clock.now(),
            patience=self._patience,
            progress=self._recalled,
        )
        self._open_gateway(processor, stores.journal)
        return processor

    def _open_gateway(self, processor: Processor, journal: Journal) -> None:
        """Take down, before the first tick, that nobody could be heard until now (S19)."""
        opened = GatewayOpened(self._clock.now())
        try:
            first = journal.append([opened])
        except OSError as error:
            raise _full_disk(
                f"the journal cannot be written: {error.strerror or error}", self._settings
            ) from None
        processor.process(first, [(opened, None)])

    def _pipeline(self, processor: Processor, feed: Feed, stores: _Stores) -> Pipeline:
        settings = self._settings
        self._counters = Counters()
        pipeline = Pipeline(
            processor,
            feed,
            lambda one: partial(stores.snapshots.write, _snapshot_of(one)),
            clock=self._clock.now,
            pace=Pace(
                queue_bytes=settings.ingest.queue_bytes,
                snapshot_interval=settings.snapshot.interval,
                snapshot_entries=settings.snapshot.entries,
            ),
        )
        self._metrics = Metrics(
            self._counters,
            pipeline,
            stored=lambda: _stored(stores.control),
            set_back=lambda: behind.total_seconds() if (behind := self._clock.set_back()) else 0.0,
            damages=len(stores.journal.damages) + len(stores.journal.gaps),
        )
        pipeline.delayed = self._metrics.delay.observe
        return pipeline

    async def _open_the_doors(
        self, pipeline: Pipeline, stores: _Stores, sockets: Sockets, working: "asyncio.Task[None]"
    ) -> None:
        commands = Commands(pipeline, self._clock.now, self._settings.ingest.server_addresses)
        front = FrontDoor(self._settings, self._installation, pipeline, stores.control, self._clock.now)
        self._metrics.front = front
        ending = asyncio.create_task(self._ending.wait())
        preparing = asyncio.create_task(self._prepare(commands, front))
        await asyncio.wait({preparing, ending, working}, return_when=asyncio.FIRST_COMPLETED)
        if not preparing.done():
            preparing.cancel()
            return
        _refuse_full_disk(preparing, self._settings)
        access = await asyncio.to_thread(self._patience.until_done, lambda: self._access(stores))
        self._metrics.access = access
        solutions = await asyncio.to_thread(
            self._patience.until_done, lambda: Solutions(stores.control, self._clock.now)
        )
        keeping = asyncio.create_task(access_control.keep(access))
        web = Web(
            settings=self._settings,
            installation=self._installation,
            pipeline=pipeline,
            commands=commands,
            store=stores.control,
            access=access,
            solutions=solutions,
            entry=stores.journal.entry,
            counters=self._counters,
            clock=self._clock.now,
            troubles=lambda: self._troubles(pipeline),
            exposition=self._metrics.exposition,
        )
        server = server_for(web.application(front), self._binding(front))
        self._metrics.traffic = server.traffic
        front.open(sockets, self._most_devices)
        serving = asyncio.create_task(server.serve(sockets=[sockets.https]))
        self._tell(sockets, access.sign_ins.invite())
        await asyncio.wait({serving, ending, working}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        await front.close()
        await _shut(server, serving, pipeline.feed)
        await access_control.close(access, keeping)

    def _access(self, stores: _Stores) -> Access:
        return access_control.access_of(self._settings, self._installation, stores.control, self._clock.now)

    async def _prepare(self, commands: Commands, front: FrontDoor) -> None:
        await commands.adopt_server_addresses(STARTING)
        await front.gateway.registry.reconcile()

    def _tell(self, sockets: Sockets, invitation: str | None) -> None:
        mqtt, amqp = (sockets.of(name) for name in PROTOCOLS)
        ports = Ports(
            port_of(sockets.https), port_of(mqtt) if mqtt else None, port_of(amqp) if amqp else None
        )
        _log.info("listening", extra={**structs.asdict(ports), "version": __version__})
        self._listening(ports, invitation)

    def _troubles(self, pipeline: Pipeline) -> Iterator[str]:
        if pipeline.journal_trouble is not None:
            yield "the journal cannot be written"
        if pipeline.processor.trouble is not None:
            yield "the control store cannot be reached"  # the log says why: not to strangers
        if self._ending.is_set():
            yield "the service ends"

    def _binding(self, front: FrontDoor | None = None) -> Binding:
        http = self._settings.http
        return Binding(
            host=http.host,
            port=http.port,
            certificate=http.certificate if http.tls else None,
            key=http.key if http.tls else None,
            head_seconds=http.request_timeout.total_seconds(),
            keep_alive_seconds=http.keep_alive.total_seconds(),
            connections=http.max_connections,
            authorities=front.authorities() if front is not None else None,
            taking=front.web_sockets.taking if front is not None else lambda _: None,
        )


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def _connections_of_devices(settings: Settings) -> int:
    """Return how many connections each protocol of devices may have: fewer than asked where the system says so."""
    protocols, asked = settings.mqtt.enabled + settings.amqp.enabled, settings.gateway.max_connections
    most = raise_descriptor_limit(settings.http.max_connections, protocols * asked) // max(protocols, 1)
    if protocols and most < asked:
        _log.warning(
            "this process may open too few files for %d connections of each protocol of devices: %d is the most; "
            "raise its limit (LimitNOFILE= in the systemd unit), or lower [gateway] max_connections",
            asked,
            most,
        )
    return most


def _refuse_full_disk(preparing: "asyncio.Task[None]", settings: Settings) -> None:
    """Where the journal fills the disk at this very moment, nothing can be begun."""
    try:
        preparing.result()
    except Busy as error:
        raise _full_disk(error.reason, settings) from None


def _full_disk(reason: str, settings: Settings) -> OperatorError:
    return OperatorError([Problem("", f"{reason}: mend that, and start again", str(settings.journal.folder))])


def _refuse_unusable(binding: Binding) -> None:
    """A certificate that cannot be used is told before anything is begun."""
    if binding.certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(binding.certificate, binding.key)
    except (OSError, ssl.SSLError) as error:
        reason = (
            f"no usable certificate and key in PEM: {error.strerror or error}; see [http] certificate and key"
        )
        raise OperatorError([Problem("", reason, str(binding.certificate))]) from None


async def _shut(server: QuietServer, serving: "asyncio.Task[None]", feed: Feed) -> None:
    """End the streams, then let running requests come to their end."""
    server.should_exit = True
    feed.close()
    await serving


def _snapshot_of(processor: Processor) -> Snapshot:
    snapshot = Snapshot(processor.position, mark_of(processor.latest), processor.detector.snapshot())
    set_memory_aside()
    return snapshot


def _stored(control: ControlStore) -> Mapping[str, int]:
    counts = control.counts()
    active = sum(number for (state, _), number in counts.alerts.items() if state != "Resolved")
    return {"alerts_open": active, "devices": counts.devices, "quarantine": counts.quarantined}


def _close(stores: _Stores) -> None:
    stores.journal.close()
    stores.control.close()
