"""What the tests of MQTT build from: packets of every kind, their bytes, and ways to read them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from fencepost.wire.mqtt import writing
from fencepost.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from fencepost.wire.mqtt.reading import PacketReader

MOST = 262_144


def read(data: bytes, most: int = MOST) -> list[Packet]:
    return list(PacketReader(most).feed(data))


def one(data: bytes) -> Packet:
    (packet,) = read(data)
    return packet


WRITERS: dict[type, Callable[[Any], bytes]] = {
    Connect: lambda p: writing.connect(
        p.client_id,
        clean_session=p.clean_session,
        keep_alive=p.keep_alive,
        will=p.will,
        username=p.username,
        password=p.password,
    ),
    Connack: lambda p: writing.connack(p.code, session_present=p.session_present),
    Publish: lambda p: writing.publish(
        p.topic, p.payload, qos=p.qos, packet_id=p.packet_id, retain=p.retain, dup=p.dup
    ),
    Puback: lambda p: writing.puback(p.packet_id),
    Subscribe: lambda p: writing.subscribe(p.packet_id, p.subscriptions),
    Suback: lambda p: writing.suback(p.packet_id, p.codes),
    Unsubscribe: lambda p: writing.unsubscribe(p.packet_id, p.topic_filters),
    Unsuback: lambda p: writing.unsuback(p.packet_id),
    Pingreq: lambda p: writing.pingreq(),
    Pingresp: lambda p: writing.pingresp(),
    Disconnect: lambda p: writing.disconnect(),
}


def write(packet: Packet) -> bytes:
    return WRITERS[type(packet)](packet)


ids = st.integers(1, 65_535)
numbers = st.integers(0, 65_535)
qualities = st.sampled_from([0, 1, 2])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
topics = st.text(
    st.characters(codec="utf-8", exclude_characters="\0#+"), min_size=1, max_size=20
) | st.sampled_from(["devices/d/messages/events/%24.ct=a%2Fb&x=y", "$iothub/twin/GET/?$rid=1", "/"])
levels = st.text(st.characters(codec="utf-8", exclude_characters="\0#+/"), max_size=5) | st.just("+")
filters = st.builds(
    lambda parts, last: "/".join([*parts, last]) or "/",
    st.lists(levels, max_size=3),
    levels | st.just("#"),
)
payloads = st.binary(max_size=200)

wills = st.builds(Will, topics, payloads, qualities, st.booleans())
connects = st.builds(
    lambda user, secret, **rest: Connect(username=user, password=None if user is None else secret, **rest),
    st.none() | texts,
    st.none() | payloads,
    client_id=texts,
    clean_session=st.booleans(),
    keep_alive=numbers,
    will=st.none() | wills,
)
publishes = st.builds(Publish, topics, payloads, retain=st.booleans()) | st.builds(
    Publish, topics, payloads, st.sampled_from([1, 2]), ids, st.booleans(), st.booleans()
)
packets: st.SearchStrategy[Packet] = st.one_of(
    connects,
    st.builds(Connack, st.just(0), st.booleans()),
    st.builds(Connack, st.integers(1, 5)),
    publishes,
    st.builds(Puback, ids),
    st.builds(
        Subscribe,
        ids,
        st.lists(st.builds(Subscription, filters, qualities), min_size=1, max_size=4).map(tuple),
    ),
    st.builds(Suback, ids, st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=4).map(tuple)),
    st.builds(Unsubscribe, ids, st.lists(filters, min_size=1, max_size=4).map(tuple)),
    st.builds(Unsuback, ids),
    st.builds(Pingreq),
    st.builds(Pingresp),
    st.builds(Disconnect),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the pieces of a stream that is cut at some places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
