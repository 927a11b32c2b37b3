"""What both kinds of links do whatever they carry: credit, bounds, outcomes (part 2, section 2.6)."""

from collections import deque
from collections.abc import Callable
from typing import Any
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

_OUTCOMES = frozenset({Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED})


class AttachedLink:
    """Our end of a link; `left` is called with it once when it is gone."""

    def __init__(self, engine: Engine, link: Any, left: Callable[[Any], None]) -> None:
        self.is_open = True
        self._engine = engine
        self._link = link
        self._left = left

    def on_closed(self) -> None:
        self.is_open = False
        self._left(self)

    def close(self, condition: str, text: str) -> None:
        """End the link from our side, and say why."""
        if self.is_open:
            self._engine.detach(self._link, condition, text)


class Arrival:
    """
    A whole message that has come, to be accepted or rejected once, now or later.

    It has used up its credit until then: that is what holds a peer back.
    """

    def __init__(self, link: "Incoming", delivery: Delivery, encoded: bytes) -> None:
        self.encoded = encoded
        self._of = link
        self._delivery = delivery

    def accept(self) -> None:
        self._of.settle(self._delivery, Delivery.ACCEPTED)

    def reject(self, condition: str, text: str) -> None:
        if self._of.is_open:
            self._delivery.local.condition = proton.Condition(condition, text)
        self._of.settle(self._delivery, Delivery.REJECTED)


class Incoming(AttachedLink):
    """A link on which messages come, of at most `largest` bytes: `take` is handed each that is whole."""

    def __init__(
        self,
        engine: Engine,
        link: proton.Receiver,
        take: Callable[[Arrival], None],
        left: Callable[[Any], None],
        *,
        credit: int,
        largest: int,
    ) -> None:
        super().__init__(engine, link, left)
        self._take = take
        self._largest = largest
        engine.accept(link, self, largest=largest)
        link.flow(credit)

    def on_flow(self) -> None:
        """The peer has more to send, or no more; nothing follows from that."""

    def on_delivery(self, delivery: Delivery) -> None:
        if delivery.aborted:
            self.settle(delivery, None)
        elif not delivery.readable:
            return  # word of one that is being worked on
        elif delivery.pending > self._largest:
            self._refuse_size(delivery)
        elif not delivery.partial:
            self._take(self._received(delivery))

    def _received(self, delivery: Delivery) -> Arrival:
        encoded = self._link.recv(delivery.pending) or b""
        self._link.advance()
        return Arrival(self, delivery, bytes(encoded))

    def _refuse_size(self, delivery: Delivery) -> None:
        condition, text = "amqp:link:message-size-exceeded", f"at most {self._largest} bytes are taken"
        if delivery.partial:
            self.close(condition, text)
        else:
            self._received(delivery).reject(condition, text)

    def settle(self, delivery: Delivery, state: int | None) -> None:
        """Tell the outcome of a message, and give its credit back."""
        if not self.is_open:
            return
        if state is not None:
            delivery.update(state)
        delivery.settle()
        self._link.flow(1)
        self._engine.soon()


class Outgoing(AttachedLink):
    """A link on which we send, as credit comes; `flowed` hears that some may have come."""

    def __init__(
        self,
        engine: Engine,
        link: proton.Sender,
        left: Callable[[Any], None],
        flowed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(engine, link, left)
        self._flowed = flowed
        self._waiting: deque[tuple[bytes, Outcome]] = deque()
        self._unsettled: dict[Delivery, Outcome] = {}
        engine.accept(link, self)

    @property
    def room(self) -> int:
        """Return how many messages the peer takes now."""
        if not self.is_open or self._link.session.outgoing_bytes > UNSENT:
            return 0
        return max(0, int(self._link.credit) - len(self._waiting))

    def send(self, encoded: bytes, outcome: Outcome = lambda _: None) -> None:
        """Send a message when there is credit; a peer that lets too much pile up loses the link."""
        if not self.is_open:
            outcome(None)
            return
        self._waiting.append((encoded, outcome))
        self._send_waiting()
        if len(self._waiting) > MOST_WAITING or self._link.session.outgoing_bytes > UNSENT:
            self.close("amqp:resource-limit-exceeded", "messages are asked for and not taken")

    def give_back_credit(self) -> None:
        """Return the credit that the peer wants used at once, now that there is nothing to send."""
        if self.is_open and self._link.drain_mode and not self._waiting:
            self._link.drained()
            self._engine.soon()

    def _send_waiting(self) -> None:
        while self._waiting and self._link.credit > 0:
            self._send(*self._waiting.popleft())

    def _send(self, encoded: bytes, outcome: Outcome) -> None:
        delivery = self._link.delivery(uuid4().bytes)  # the .NET SDK takes a tag for a GUID
        self._link.stream(encoded)
        self._link.advance()
        if self._link.snd_settle_mode == Link.SND_SETTLED:
            delivery.settle()
            outcome(Delivery.ACCEPTED)
        else:
            self._unsettled[delivery] = outcome
            if len(self._unsettled) > MOST_UNSETTLED:
                self._settle(next(iter(self._unsettled)), None)
        self._engine.soon()

    def _settle(self, delivery: Delivery, state: int | None) -> None:
        outcome = self._unsettled.pop(delivery)
        delivery.settle()
        outcome(state)

    def on_delivery(self, delivery: Delivery) -> None:
        state = delivery.remote_state if delivery in self._unsettled else None
        if state in _OUTCOMES:
            self._settle(delivery, state)
            self._engine.soon()
        elif delivery.settled and delivery in self._unsettled:
            self._settle(delivery, None)

    def on_flow(self) -> None:
        self._send_waiting()
        self._flowed()

    def on_closed(self) -> None:
        outcomes = [*self._unsettled.values(), *(outcome for _, outcome in self._waiting)]
        self._unsettled.clear()
        self._waiting.clear()
        super().on_closed()
        for outcome in outcomes:
            outcome(None)
