"""
Coverage-guided fuzzing of MQTT: whatever the bytes and however they are cut, nothing but what is promised.

By hand, from the root of the repository; corpus folders may follow the options, the first (mkdir .fuzz) takes what is found:

    uv run --isolated --python 3.12 --group fuzz python fuzz/fuzz_mqtt.py -max_total_time=60 .fuzz

atheris has wheels for Python 3.12 and later.
"""

import sys

import atheris

with atheris.instrument_imports(include=["fencepost"]):
    from fencepost.model.errors import DeviceError
    from fencepost.wire.mqtt import writing
    from fencepost.wire.mqtt.packets import Malformed, Packet, Publish, Subscribe, TooLarge
    from fencepost.wire.mqtt.properties import decode_bag, encode_bag
    from fencepost.wire.mqtt.reading import PacketReader
    from fencepost.wire.topics import Telemetry, parse_filter, parse_topic

MOST = 4096


def one_input(data: bytes) -> None:
    """Read one stream in three cuts, the first byte saying which, and follow what it says."""
    cut, stream = data[:1], data[1:]
    whole = _outcome([stream])
    step = cut[0] + 1 if cut else 1
    for length in (1, step):
        if _outcome([stream[at : at + length] for at in range(0, len(stream), length)]) != whole:
            raise AssertionError("a stream means something else when it is cut")
    for packet in whole[0]:
        _follow(packet)


def _outcome(pieces: list[bytes]) -> tuple[list[Packet], str]:
    reader = PacketReader(MOST)
    found: list[Packet] = []
    try:
        for piece in pieces:
            found.extend(reader.feed(piece))
    except (Malformed, TooLarge) as error:
        return found, repr(error)
    return found, ""


def _follow(packet: Packet) -> None:
    match packet:
        case Publish():
            _rewrite(packet)
            _read_topic(packet.topic)
        case Subscribe():
            for subscription in packet.subscriptions:
                parse_filter(subscription.topic_filter)
        case _:
            pass


def _rewrite(packet: Publish) -> None:
    written = writing.publish(
        packet.topic,
        packet.payload,
        qos=packet.qos,
        packet_id=packet.packet_id,
        retain=packet.retain,
        dup=packet.dup,
    )
    if list(PacketReader(MOST).feed(written)) != [packet]:
        raise AssertionError("a message is not what was written")


def _read_topic(topic: str) -> None:
    try:
        found = parse_topic(topic)
    except DeviceError:
        return
    if isinstance(found, Telemetry):
        again = decode_bag(encode_bag(found.properties))
        if again != found.properties:
            raise AssertionError("properties are not what was written")


def main() -> None:
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
