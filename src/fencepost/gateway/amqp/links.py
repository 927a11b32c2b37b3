"""What both ends of links do whatever they carry: credit, bounds, outcomes (part 2, section 2.6)."""

from collections import deque
from collections.abc import Callable
from uuid import uuid4

import proton
from proton import Delivery, Link

from fencepost.gateway.amqp.engine import UNSENT, Engine

MOST_WAITING = 64
"""Messages that wait for credit; a peer that asks so much and takes nothing is not served."""
MOST_UNSETTLED = 64
"""Messages sent of which the peer has not told the outcome."""

Outcome = Callable[[int | None], None]
"""Hears what became of a message: an outcome of `proton.Delivery`, None where the peer told none."""


class Incoming:
    """
    A link on which messages come, of at most `largest` bytes; a subclass says what to do with one.

    A message has used up its credit until it is settled: that is what holds a peer back.
    """

    def __init__(self, engine: Engine, link: proton.Receiver, *, credit: int, largest: int) -> None:
        self.engine = engine
        self._link = link
        self._credit = credit
        self._largest = largest
        self.is_open = True

    def open(self) -> None:
        self.engine.accept(self._link, self, largest=self._largest)
        self._link.flow(self._credit)

    def on_message(self, delivery: Delivery, encoded: bytes) -> None:
        """Take a whole message: settle it, or have it settled later."""
        raise NotImplementedError

    def on_flow(self) -> None:
        """The peer has no more to send than it says; nothing follows from that."""

    def on_closed(self) -> None:
        self.is_open = False

    def on_delivery(self, delivery: Delivery) -> None:
        if delivery.aborted:
            self._finish(delivery)
        elif not delivery.readable:
            return  # word of one that is being worked on
        elif delivery.pending > self._largest:
            self._refuse_size(delivery)
        elif not delivery.partial:
            encoded = bytes(self._link.recv(delivery.pending) or b"")
            self._link.advance()
            self.on_message(delivery, encoded)

    def _refuse_size(self, delivery: Delivery) -> None:
        condition, text = "amqp:link:message-size-exceeded", f"at most {self._largest} bytes are taken"
        if delivery.partial:
            self.close(condition, text)
        else:
            self._link.advance()
            self.reject(delivery, condition, text)

    def accept(self, delivery: Delivery) -> None:
        if self.is_open:
            delivery.update(Delivery.ACCEPTED)
            self._finish(delivery)

    def reject(self, delivery: Delivery, condition: str, text: str) -> None:
        if self.is_open:
            delivery.local.condition = proton.Condition(condition, text)
            delivery.update(Delivery.REJECTED)
            self._finish(delivery)

    def _finish(self, delivery: Delivery) -> None:
        delivery.settle()
        self._link.flow(1)
        self.engine.soon()

    def close(self, condition: str, text: str) -> None:
        if self.is_open:
            self.engine.detach(self._link, condition, text)


class Outgoing:
    """A link on which we send, as credit comes."""

    def __init__(self, engine: Engine, link: proton.Sender) -> None:
        self.engine = engine
        self._link = link
        self._waiting: deque[tuple[bytes, Outcome | None]] = deque()
        self._unsettled: dict[Delivery, Outcome | None] = {}
        self.is_open = True

    def open(self) -> None:
        self.engine.accept(self._link, self)

    @property
    def room(self) -> int:
        """Return how many messages the peer takes now."""
        if not self.is_open or self._link.session.outgoing_bytes > UNSENT:
            return 0
        return max(0, self._link.credit - len(self._waiting))

    @property
    def is_settled_at_once(self) -> bool:
        """Whether the peer wants no messages whose outcome it would have to tell."""
        return bool(self._link.snd_settle_mode == Link.SND_SETTLED)

    def send(self, encoded: bytes, outcome: Outcome | None = None) -> None:
        """Send a message when there is credit; a peer that lets too much pile up loses the link."""
        if not self.is_open:
            return
        self._waiting.append((encoded, outcome))
        self._send_waiting()
        if len(self._waiting) > MOST_WAITING or self._link.session.outgoing_bytes > UNSENT:
            self.close("amqp:resource-limit-exceeded", "messages are asked for and not taken")

    def _send_waiting(self) -> None:
        while self._waiting and self._link.credit > 0:
            encoded, outcome = self._waiting.popleft()
            delivery = self._link.delivery(uuid4().bytes)  # the C# SDK takes a tag for a GUID
            self._link.stream(encoded)
            self._link.advance()
            if self.is_settled_at_once:
                delivery.settle()
                if outcome is not None:
                    outcome(Delivery.ACCEPTED)
            else:
                self._remember(delivery, outcome)
            self.engine.soon()

    def _remember(self, delivery: Delivery, outcome: Outcome | None) -> None:
        self._unsettled[delivery] = outcome
        if len(self._unsettled) > MOST_UNSETTLED:
            self._settle(next(iter(self._unsettled)), None)

    def _settle(self, delivery: Delivery, state: int | None) -> None:
        outcome = self._unsettled.pop(delivery, None)
        delivery.settle()
        if outcome is not None:
            outcome(state)

    def on_delivery(self, delivery: Delivery) -> None:
        if not delivery.updated or delivery not in self._unsettled:
            return
        state = delivery.remote_state
        if state in _OUTCOMES or delivery.settled:
            self._settle(delivery, state if state in _OUTCOMES else None)
            self.engine.soon()

    def on_flow(self) -> None:
        self._send_waiting()
        if self._link.drain_mode and not self._waiting:
            self._link.drained()
            self.engine.soon()

    def on_closed(self) -> None:
        self.is_open = False
        self._waiting.clear()
        unsettled, self._unsettled = self._unsettled, {}
        for outcome in unsettled.values():
            if outcome is not None:
                outcome(None)

    def close(self, condition: str, text: str) -> None:
        if self.is_open:
            self.engine.detach(self._link, condition, text)


_OUTCOMES = frozenset({Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED})
