"""
One connection that speaks AMQP: the library between the bytes of a transport and the ends of links.

The library does the frames, this the rest of the work: what has come is handed to the end of its link, what
may be sent is written, deadlines are kept, and no peer makes us hold more than it may.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Protocol

import proton
from proton import Endpoint, Event

from fencepost.net.traffic import Traffic

LARGEST_FRAME = 64 << 10
SILENCE = 240.0
"""Seconds without a byte after which a peer is gone; it is told half of that (section 2.4.5)."""
MOST_SESSIONS = 1024
MOST_LINKS = 8192
"""Of one connection; IoT Hub lets a gateway multiplex about a thousand devices."""
MOST_OF_STRANGERS = 256
"""Sessions, where nobody has proved yet who they are."""
MOST_REFUSED = 64
"""Links that we have refused and the peer has not detached."""
WINDOW = 4 << 20
"""Bytes of a session that may be on their way to us."""
HELD = 1 << 20
"""Bytes of whole messages that wait for the journal before nothing more is read."""
UNFINISHED = 16 << 20
"""Bytes of messages of which the end has not come yet; a peer that sends more means no good."""
UNSENT = 8 << 20
"""Bytes of one session that the peer has not taken; with more its links are ended."""
CLOGGED = 30.0
"""Seconds that a peer may leave unread what was written to it."""
BETWEEN_TICKS = 0.1
NAME = "fencepost"

_UNINITIALISED = Endpoint.LOCAL_UNINIT
_SILENT = "amqp:resource-limit-exceeded"
"""What the library calls a peer that has been silent for too long."""


class LinkEnd(Protocol):
    """Our end of an attached link."""

    def on_flow(self) -> None:
        """Credit has come, or gone."""

    def on_delivery(self, delivery: proton.Delivery) -> None:
        """A message has come, some of one, or word of one that was sent."""

    def on_closed(self) -> None:
        """The link is gone; called once."""


class Engine:
    """
    Runs one connection on a transport until it is `lost`.

    `attach` is called with each link that the peer wants, and answers with `accept` or `refuse`, now or later.
    `is_known` says whether somebody has proved who they are.
    """

    def __init__(
        self,
        transport: Any,
        attach: Callable[[Any], None],
        is_known: Callable[[], bool],
        traffic: Traffic,
    ) -> None:
        self._transport = transport
        self._attach = attach
        self._is_known = is_known
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._connection = proton.Connection()
        self._connection.container = NAME
        self._collector = proton.Collector()
        self._connection.collect(self._collector)
        self._proton = _transport_of(self._connection)
        self._links: dict[proton.Session, set[proton.Link]] = {}
        self._ends: dict[proton.Link, LinkEnd] = {}
        self._refused: set[proton.Link] = set()
        self._unfinished: dict[proton.Link, int] = {}
        self._unfinished_bytes = self._held = self._link_count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._lasting: set[asyncio.Task[None]] = set()
        self._tick_at: asyncio.TimerHandle | None = None
        self._clogged_at: asyncio.TimerHandle | None = None
        self._is_paused = self._is_due = self._is_ending = False
        self.is_over = False

    # bytes in and out

    def receive(self, data: bytes) -> None:
        try:
            while data and not self._is_ending and (room := self._proton.capacity()) > 0:
                self._proton.push(data[:room])
                data = data[room:]
                self._react()
        except proton.ProtonException:
            self._traffic.malformed += 1
            self._is_ending = True
        self.flush()

    def flush(self) -> None:
        """Write what is to be sent, as far as the transport takes it, and close where that was the last."""
        self._is_due = False
        if self.is_over:
            return
        self._react()
        while self._clogged_at is None and (size := self._proton.pending()) > 0:
            data = self._proton.peek(size)
            self._proton.pop(size)
            self._transport.write(data)
        if self._is_ending:
            self.is_over = True
            self._transport.close()
        else:
            self._tick()

    def soon(self) -> None:
        """Flush when all that can be done now is done."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._flush_if_due)

    def _flush_if_due(self) -> None:
        if self._is_due:
            self.flush()

    def pause_writing(self) -> None:
        if self._clogged_at is None:
            self._clogged_at = self._loop.call_later(CLOGGED, self._late)
            self._see_to_reading()

    def resume_writing(self) -> None:
        if self._clogged_at is not None:
            self._clogged_at.cancel()
            self._clogged_at = None
            self._see_to_reading()
            self.flush()

    def hold(self, size: int) -> None:
        """Count bytes of a message that waits, or with a negative size that they wait no longer."""
        self._held += size
        self._see_to_reading()

    def _see_to_reading(self) -> None:
        is_full = self._clogged_at is not None or self._held > HELD
        if is_full == self._is_paused or self._transport.is_closing():
            return
        self._is_paused = is_full
        if is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # time

    def _tick(self) -> None:
        """Tell the library the time, and come back when it says."""
        now = self._loop.time()
        due = self._proton.tick(now)
        if due and (self._tick_at is None or due < self._tick_at.when()):
            self._stop_ticking()
            self._tick_at = self._loop.call_at(max(due, now + BETWEEN_TICKS), self._on_time)

    def _on_time(self) -> None:
        self._tick_at = None
        self._tick()
        self.flush()

    def _stop_ticking(self) -> None:
        if self._tick_at is not None:
            self._tick_at.cancel()
            self._tick_at = None

    def _late(self) -> None:
        self._traffic.late += 1
        self._is_ending = self.is_over = True
        self._transport.abort()

    # events

    def _react(self) -> None:
        while (event := self._collector.peek()) is not None:
            handle = self._HANDLERS.get(event.type)
            if handle is not None and not self._is_ending:
                handle(self, event)
            self._collector.pop()

    def _on_connection_open(self, event: Any) -> None:
        if self._connection.state & _UNINITIALISED:
            self._connection.open()

    def _on_session_open(self, event: Any) -> None:
        session = event.session
        if len(self._links) >= (MOST_SESSIONS if self._is_known() else MOST_OF_STRANGERS):
            self.end("amqp:resource-limit-exceeded", "too many sessions")
            return
        self._links[session] = set()
        session.incoming_capacity = WINDOW
        session.open()

    def _on_link_open(self, event: Any) -> None:
        link = event.link
        links = self._links.get(link.session)
        if links is None or self._link_count >= MOST_LINKS:
            self.end("amqp:resource-limit-exceeded", "too many links")
            return
        links.add(link)
        self._link_count += 1
        self._attach(link)

    def _on_flow(self, event: Any) -> None:
        end = self._ends.get(event.link)
        if end is not None:
            end.on_flow()

    def _on_delivery(self, event: Any) -> None:
        delivery, link = event.delivery, event.link
        end = self._ends.get(link)
        if end is not None:
            if not link.is_receiver or self._is_within_bounds(link, delivery):
                end.on_delivery(delivery)
        elif link.is_receiver:
            if not link.state & Endpoint.LOCAL_CLOSED:
                self.end("amqp:not-allowed", "a message without credit")
            else:
                delivery.settle()  # it was on its way when we closed

    def _is_within_bounds(self, link: Any, delivery: proton.Delivery) -> bool:
        """Count what we hold of messages of which the end has not come, and look at the credit; end if need be."""
        held = delivery.pending if delivery.partial and not delivery.aborted else 0
        self._unfinished_bytes += held - self._unfinished.pop(link, 0)
        if held:
            self._unfinished[link] = held
        if link.queued > link.credit:
            self.end("amqp:link:transfer-limit-exceeded", "more messages than there was credit for")
        elif self._unfinished_bytes > UNFINISHED:
            self.end("amqp:resource-limit-exceeded", "too many messages are begun and not ended")
        return not self._is_ending

    def _on_link_close(self, event: Any) -> None:
        link = event.link
        links = self._links.get(link.session)
        if links is not None and link in links:
            links.discard(link)
            self._remove(link)

    def _remove(self, link: Any) -> None:
        self._link_count -= 1
        self._refused.discard(link)
        self._let_go(link)
        link.close()
        link.free()

    def _let_go(self, link: Any) -> None:
        self._unfinished_bytes -= self._unfinished.pop(link, 0)
        end = self._ends.pop(link, None)
        if end is not None:
            end.on_closed()

    def _on_session_close(self, event: Any) -> None:
        for link in self._links.pop(event.session, ()):
            self._remove(link)
        event.session.close()
        event.session.free()

    def _on_connection_close(self, event: Any) -> None:
        self._connection.close()
        self._is_ending = True

    def _on_transport_error(self, event: Any) -> None:
        condition = self._proton.condition
        if condition is not None and condition.name == _SILENT:
            self._traffic.late += 1
            self._is_ending = True
        else:
            self._on_input_end(event)

    def _on_input_end(self, event: Any) -> None:
        """The library reads no more: what came is no AMQP."""
        self._traffic.malformed += 1
        self._is_ending = True

    _HANDLERS: ClassVar[dict[Any, Callable[["Engine", Any], None]]] = {
        Event.CONNECTION_REMOTE_OPEN: _on_connection_open,
        Event.CONNECTION_REMOTE_CLOSE: _on_connection_close,
        Event.SESSION_REMOTE_OPEN: _on_session_open,
        Event.SESSION_REMOTE_CLOSE: _on_session_close,
        Event.LINK_REMOTE_OPEN: _on_link_open,
        Event.LINK_REMOTE_CLOSE: _on_link_close,
        Event.LINK_REMOTE_DETACH: _on_link_close,
        Event.LINK_FLOW: _on_flow,
        Event.DELIVERY: _on_delivery,
        Event.TRANSPORT_ERROR: _on_transport_error,
        Event.TRANSPORT_TAIL_CLOSED: _on_input_end,
    }

    # links

    def is_wanted(self, link: Any) -> bool:
        """Whether the peer still wants a link for which it has no answer yet."""
        return not self._is_ending and link in self._links.get(link.session, ())

    def accept(self, link: Any, end: LinkEnd, *, largest: int = 0) -> None:
        """Attach a link as the peer wants it; `largest` is the most bytes of a message that it may send."""
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        if largest:
            link.max_message_size = largest
        link.open()
        self._ends[link] = end
        self.soon()

    def refuse(self, link: Any, condition: str, text: str) -> None:
        """Answer that a link cannot be (section 2.6.3: it is attached to nothing, and detached)."""
        link.open()
        self.detach(link, condition, text)
        self._refused.add(link)
        if len(self._refused) > MOST_REFUSED:
            self.end("amqp:resource-limit-exceeded", "too many links that were refused")

    def detach(self, link: Any, condition: str, text: str) -> None:
        """End a link from our side, and say why."""
        link.condition = proton.Condition(condition, text)
        link.close()
        self._let_go(link)
        self.soon()

    # work and the end

    def spawn(self, work: Coroutine[Any, Any, None], *, outlasts: bool = False) -> None:
        """Start some work of this connection; it is cancelled with it, unless it `outlasts` that for a moment."""
        task = self._loop.create_task(work)
        (self._lasting if outlasts else self._tasks).add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._lasting.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._is_ending = self.is_over = True
            self._transport.abort()  # a fault of ours
            raise fault  # the loop tells of it

    def end(self, condition: str, text: str) -> None:
        """End the connection, and say why."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._connection.state & _UNINITIALISED:
            self._connection.open()
        self._connection.condition = proton.Condition(condition, text)
        self._connection.close()
        self.soon()

    def lost(self) -> None:
        """The transport is gone: nothing is left of the connection but what its ends do on their way out."""
        self._is_ending = self.is_over = True
        self._stop_ticking()
        if self._clogged_at is not None:
            self._clogged_at.cancel()
        for task in self._tasks:
            task.cancel()
        for link in [*self._ends]:
            self._let_go(link)
        self._links.clear()
        self._refused.clear()


def _transport_of(connection: proton.Connection) -> proton.Transport:
    transport = proton.Transport(proton.Transport.SERVER)
    transport.tracer = _hush
    transport.max_frame_size = LARGEST_FRAME
    transport.channel_max = MOST_SESSIONS - 1
    transport.idle_timeout = SILENCE
    transport.bind(connection)
    return transport


def _hush(transport: proton.Transport, message: str) -> None:
    """Let the library not write to the standard error what strangers do."""
