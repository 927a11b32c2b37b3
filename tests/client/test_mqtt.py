"""A client over MQTT connects when it must, sends what is not acknowledged once more, and says what keeps it out."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.client.loopback import certificates

from fencepost.client.endpoint import Endpoint
from fencepost.client.mqtt import MqttClient
from fencepost.client.mqtt_link import Login
from fencepost.model.errors import DeviceError, OperatorError
from fencepost.wire.mqtt import writing
from fencepost.wire.mqtt.packets import Connect, Disconnect, Packet, Pingreq, Publish
from fencepost.wire.mqtt.reading import PacketReader

LOGIN = Login("cam-1/azureiotsecurity", "localhost/cam-1/azureiotsecurity/?api-version=1", "secret")
Answer = Callable[["Broker", Packet, asyncio.StreamWriter], None]


class Broker:
    """A server of MQTT over TLS that answers as it is told; `packets` are those of each connection."""

    def __init__(self, answer: Answer) -> None:
        self.packets: list[list[Packet]] = []
        self._answer = answer
        self._ended: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Endpoint]:
        ca, certificate, key = certificates(("127.0.0.1",))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server:
            yield Endpoint("127.0.0.1", port, ssl.create_default_context(cafile=str(ca)))
        await asyncio.gather(*self._ended)

    def all(self) -> list[Packet]:
        return [packet for connection in self.packets for packet in connection]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ended.add(task)
        packets: list[Packet] = []
        reading = PacketReader(1 << 20)
        self.packets.append(packets)
        try:
            while data := await reader.read(1 << 16):
                for packet in reading.feed(data):
                    packets.append(packet)
                    self._answer(self, packet, writer)
        except (OSError, DeviceError):
            pass
        finally:
            writer.transport.abort()


def obliging(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
    match packet:
        case Connect():
            writer.write(writing.connack())
        case Publish(packet_id=packet_id):
            writer.write(writing.puback(packet_id))
        case Pingreq():
            writer.write(writing.pingresp())
        case _:
            pass


async def at_once(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.01))


def talk(
    answer: Answer,
    work: Callable[[MqttClient], Awaitable[object]],
    *,
    in_flight: int = 10,
    keep_alive: int = 60,
) -> Broker:
    async def go() -> Broker:
        broker = Broker(answer)
        async with broker.running() as endpoint:
            client = MqttClient(
                endpoint, lambda: LOGIN, in_flight=in_flight, keep_alive=keep_alive, sleep=at_once
            )
            try:
                await work(client)
            finally:
                await client.close()
        return broker

    return asyncio.run(go())


def published(packets: list[Packet]) -> list[tuple[bytes, bool]]:
    return [(packet.payload, packet.dup) for packet in packets if isinstance(packet, Publish)]


def test_a_message_is_sent_as_a_device_sends_it() -> None:
    broker = talk(obliging, lambda client: client.publish("devices/cam-1/messages/events/", b"{}"))
    [[connect, publish, goodbye]] = broker.packets
    assert isinstance(connect, Connect)
    assert (connect.client_id, connect.username) == (LOGIN.client_id, LOGIN.username)
    assert (connect.password, connect.clean_session, connect.keep_alive) == (b"secret", False, 60)
    assert isinstance(publish, Publish)
    assert (publish.topic, publish.payload, publish.qos) == ("devices/cam-1/messages/events/", b"{}", 1)
    assert isinstance(goodbye, Disconnect)


def test_nothing_is_connected_before_there_is_something_to_send() -> None:
    async def work(client: MqttClient) -> None:
        await asyncio.sleep(0.02)
        assert (client.connections, client.is_connected) == (0, False)

    assert talk(obliging, work).packets == []


def test_messages_go_over_one_connection() -> None:
    async def work(client: MqttClient) -> None:
        for number in range(3):
            await client.publish("t", b"%d" % number)
        await asyncio.gather(*(client.publish("t", b"%d" % number) for number in range(3, 40)))
        assert client.connections == 1

    broker = talk(obliging, work)
    assert published(broker.all()) == [(b"%d" % number, False) for number in range(40)]
    ids = [packet.packet_id for packet in broker.all() if isinstance(packet, Publish)]
    assert len(set(ids)) == 40


def test_no_more_messages_are_under_way_than_may_be() -> None:
    most = under_way = 0

    def slow(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        nonlocal most, under_way
        if not isinstance(packet, Publish):
            return obliging(broker, packet, writer)
        under_way += 1
        most = max(most, under_way)

        def acknowledge() -> None:
            nonlocal under_way
            under_way -= 1
            writer.write(writing.puback(packet.packet_id))

        asyncio.get_running_loop().call_later(0.005, acknowledge)
        return None

    async def work(client: MqttClient) -> None:
        await asyncio.gather(*(client.publish("t", b"%d" % number) for number in range(20)))

    talk(slow, work, in_flight=4)
    assert most == 4


def test_what_is_not_acknowledged_is_sent_again_in_its_order_and_marked() -> None:
    def breaking(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if len(broker.packets) == 1 and isinstance(packet, Publish):
            if packet.payload == b"0":
                writer.write(writing.puback(packet.packet_id))
            if packet.payload == b"4":
                writer.close()
            return
        obliging(broker, packet, writer)

    async def work(client: MqttClient) -> None:
        await asyncio.gather(*(client.publish("t", b"%d" % number) for number in range(5)))
        await client.publish("t", b"new")
        assert client.connections == 2

    first, second = talk(breaking, work).packets
    assert published(first) == [(b"%d" % number, False) for number in range(5)]
    assert published(second) == [*((b"%d" % number, True) for number in range(1, 5)), (b"new", False)]
    ids = {packet.payload: packet.packet_id for packet in first if isinstance(packet, Publish)}
    assert all(ids[one.payload] == one.packet_id for one in second if isinstance(one, Publish) and one.dup)


def test_a_connection_that_was_lost_while_nobody_sent_is_made_again_when_somebody_does() -> None:
    def fickle(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        obliging(broker, packet, writer)
        if isinstance(packet, Publish) and len(broker.packets) == 1:
            writer.close()

    async def work(client: MqttClient) -> None:
        await client.publish("t", b"1")
        while client.is_connected:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert client.connections == 1
        await client.publish("t", b"2")

    assert len(talk(fickle, work).packets) == 2


def test_a_busy_server_is_asked_again() -> None:
    def busy(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if isinstance(packet, Connect) and len(broker.packets) < 3:
            writer.write(writing.connack(3))
        else:
            obliging(broker, packet, writer)

    broker = talk(busy, lambda client: client.publish("t", b"1"))
    assert len(broker.packets) == 3


@pytest.mark.parametrize("code", [4, 5])
def test_who_is_not_let_in_is_told_at_once_and_all_that_wait(code: int) -> None:
    def refusing(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if isinstance(packet, Connect):
            writer.write(writing.connack(code))

    async def work(client: MqttClient) -> None:
        waiting = (client.publish("t", b"1"), client.publish("t", b"2"))
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        for error in errors:
            assert isinstance(error, OperatorError)
            assert f"does not let cam-1/azureiotsecurity in (CONNACK {code})" in str(error)
            assert "secret" not in str(error)

    assert len(talk(refusing, work).packets) == 1


def test_patience_ends_with_the_reason() -> None:
    def mute(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if isinstance(packet, Connect):
            obliging(broker, packet, writer)

    def closing(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        obliging(broker, packet, writer) if isinstance(packet, Connect) else writer.close()

    for answer, reason in (
        (mute, "does not acknowledge"),
        (closing, "closes the connection again and again"),
    ):

        async def work(client: MqttClient, reason: str = reason) -> None:
            with pytest.raises(OperatorError, match=reason):
                await client.publish("t", b"1", patience=0.3)

        talk(answer, work)


def test_where_nobody_listens() -> None:
    async def go() -> None:
        async with Broker(obliging).running() as endpoint:
            pass
        client = MqttClient(endpoint, lambda: LOGIN, sleep=at_once)
        with pytest.raises(OperatorError, match="nobody listens there"):
            await client.publish("t", b"1", patience=0.2)
        await client.close()

    asyncio.run(go())


def test_another_certificate_is_told_at_once() -> None:
    async def go() -> None:
        async with Broker(obliging).running() as endpoint:
            stranger = Endpoint("127.0.0.1", endpoint.port, ssl.create_default_context())
            client = MqttClient(stranger, lambda: LOGIN)
            with pytest.raises(OperatorError, match="not signed by the authority"):
                await client.publish("t", b"1")
            await client.close()

    asyncio.run(go())


def test_another_protocol_is_no_connection() -> None:
    def talking_nonsense(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def work(client: MqttClient) -> None:
        with pytest.raises(OperatorError, match="closes the connection instead of an answer"):
            await client.publish("t", b"1", patience=0.3)

    talk(talking_nonsense, work)


def test_a_connection_is_kept_alive_and_one_that_is_dead_is_noticed() -> None:
    """The keep-alive is a second here, so that a ping is due after half of it."""

    def half_dead(broker: Broker, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if not (isinstance(packet, Pingreq) and len(broker.all()) > 3):
            obliging(broker, packet, writer)

    async def work(client: MqttClient) -> None:
        await client.publish("t", b"1")
        while client.is_connected:
            await asyncio.sleep(0.02)
        await client.publish("t", b"2")

    first, second = talk(half_dead, work, keep_alive=1).packets
    assert [type(packet) for packet in first] == [Connect, Publish, Pingreq, Pingreq]
    assert published(second) == [(b"2", False)]


def test_what_is_wrong_with_a_message_of_ours_is_raised_where_it_is_sent() -> None:
    async def work(client: MqttClient) -> None:
        with pytest.raises(ValueError, match="wildcard"):
            await client.publish("t/#", b"1")

    talk(obliging, work)


def test_nothing_secret_is_shown() -> None:
    assert "secret" not in repr(LOGIN)
