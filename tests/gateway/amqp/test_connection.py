"""Who may attach where on one connection, and what ends it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from tests.gateway.amqp.client import RefusedError, audience_of, break_down, hub, written
from tests.gateway.amqp.test_cbs import policy_token
from tests.gateway.clients.certificates import Authority, self_signed
from tests.gateway.rig import run

from fencepost.config.service import Gateway
from fencepost.gateway.amqp import connection
from fencepost.gateway.amqp.session import MOST_LINKS
from fencepost.gateway.credentials import Granted
from fencepost.model.entry import Operated
from fencepost.model.identity import SECURITY_MODULE, Authentication, IdentityKey
from fencepost.service.registry import Draft

CAM, OTHER = IdentityKey("cam-1"), IdentityKey("cam-2")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)
EVENTS = "/devices/cam-1/messages/events"
MODULE_EVENTS = f"/devices/cam-1/modules/{SECURITY_MODULE}/messages/events"
OTHERS_EVENTS = "/devices/cam-2/messages/events"


@pytest.mark.parametrize(
    "address", ["", "/elsewhere", "/devices/cam-1", "/devices/cam-1/files", "/messages/events", "x" * 2000]
)
def test_there_is_nothing_at_other_addresses(tmp_path: Path, address: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            for attach in (client.sender, client.receiver):
                with pytest.raises(RefusedError, match="amqp:not-found"):
                    await attach(address)
            await client.sender(EVENTS)

    run(work())


@pytest.mark.parametrize(
    ("attach", "address"),
    [
        ("sender", "/devices/cam-1/messages/devicebound"),
        ("receiver", f"/devices/cam-1/modules/{SECURITY_MODULE}/messages/devicebound"),
    ],
)
def test_a_link_in_the_wrong_direction_is_not_allowed(tmp_path: Path, attach: str, address: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM, MODULE)
            with pytest.raises(RefusedError, match="amqp:not-allowed"):
                await getattr(client, attach)(address)

    run(work())


def test_a_stranger_does_not_look_around_for_long(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            for number in range(5):
                with pytest.raises(RefusedError):
                    await client.sender("/elsewhere" if number % 2 else EVENTS)
            assert await client.closed() == "amqp:unauthorized-access"

    run(work())


def test_a_trespass_is_refused_and_noted_of_who_tried(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            client = await one.signed_in(CAM)
            for address in (OTHERS_EVENTS, MODULE_EVENTS, "/devices/nobody/messages/events"):
                with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                    await client.sender(address)
            await one.rig.until(lambda: len(one.rig.entries(Operated)) == 3)
            noted = {(entry.device_id, entry.operation) for entry in one.rig.entries(Operated)}
            assert noted == {("cam-1", "UnauthorizedOperations")}
            assert one.gateway.counters.unauthorized == 3
            assert one.gateway.sessions.count() == 0

    run(work())


def test_ids_are_taken_as_they_stand_and_percent_encoded(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            for device_id in ("a#b", "a%23b"):
                await one.rig.add(device_id)
            raw, encoded = IdentityKey("a%23b"), IdentityKey("a#b")
            for key in (raw, encoded):
                client = await one.client()
                assert (await client.put_token(audience_of(key), await one.rig.token(key)))[0] == 200
                link = await client.sender("/devices/a%23b/messages/events")
                assert await client.send(link, written(b"x")) == "accepted"
                assert one.gateway.sessions.of(key) is not None

    run(work())


def test_a_second_connection_of_an_identity_ends_the_first(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            first = await one.signed_in(CAM)
            link = await first.sender(EVENTS)
            second = await one.signed_in(CAM)
            again = await second.sender(EVENTS)
            assert await first.ended(link) == "amqp:link:stolen"
            assert await first.closed() == "amqp:connection:forced"
            assert await second.send(again, written(b"x")) == "accepted"
            assert one.gateway.sessions.count() == 1

    run(work())


def test_who_is_taken_over_on_a_shared_connection_leaves_the_others_there(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            shared = await one.signed_in(CAM, OTHER)
            goes, stays = await shared.sender(EVENTS), await shared.sender(OTHERS_EVENTS)
            await (await one.signed_in(CAM)).sender(EVENTS)
            assert await shared.ended(goes) == "amqp:link:stolen"
            assert await shared.send(stays, written(b"x")) == "accepted"
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await shared.sender(EVENTS)

    run(work())


def test_a_disabled_device_is_shown_out_and_stays_out(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM, MODULE)
            links = [await client.sender(EVENTS), await client.sender(MODULE_EVENTS)]
            disabled = await one.rig.registry.identity(CAM)
            draft = Draft(key=CAM, authentication=disabled.authentication, status="disabled")
            await one.rig.registry.update(draft, "tests")
            assert [await client.ended(link) for link in links] == ["amqp:link:detach-forced"] * 2
            assert await client.closed() == "amqp:connection:forced"
            again = await one.client()
            assert (await again.put_token(audience_of(CAM), await one.rig.token(CAM)))[0] == 401

    run(work())


def test_a_token_that_was_put_before_a_device_was_disabled_opens_nothing(tmp_path: Path) -> None:
    """It had no session yet that could have been ended."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            known = await one.rig.registry.identity(CAM)
            draft = Draft(key=CAM, authentication=known.authentication, status="disabled")
            await one.rig.registry.update(draft, "tests")
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(EVENTS)

    run(work())


def test_who_is_disabled_while_it_is_let_in_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            known, by_token = await one.rig.registry.identity(CAM), one.gateway.credentials.by_token

            async def slowly(key: IdentityKey, shown: str) -> Granted:
                granted = await by_token(key, shown)
                draft = Draft(key=CAM, authentication=known.authentication, status="disabled")
                await one.rig.registry.update(draft, "tests")
                return granted

            monkeypatch.setattr(one.gateway.credentials, "by_token", slowly)
            with suppress(RefusedError):
                await client.ended(await client.sender(EVENTS))
            assert one.gateway.sessions.count() == 0

    run(work())


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_session_does_not_outlast_its_links(tmp_path: Path, is_refused: bool) -> None:
    """Nor is there one where its first link leads nowhere."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            if is_refused:
                with pytest.raises(RefusedError, match="amqp:not-allowed"):
                    await client.sender("/devices/cam-1/messages/devicebound")
                assert one.gateway.sessions.of(CAM) is None
            else:
                await client.sender(EVENTS)
            client.reset()
            await one.rig.until(lambda: not one.traffic.open)
            await one.rig.until(lambda: one.gateway.sessions.count() == 0)

    run(work())


def test_an_identity_is_connected_from_its_first_link_to_its_last(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            assert one.gateway.sessions.of(CAM) is None
            links = [await client.sender(EVENTS), await client.receiver("/devices/cam-1/twin")]
            for link in links:
                assert one.gateway.sessions.of(CAM) is not None
                await client.detach(link)
            assert one.gateway.sessions.of(CAM) is None
            await client.sender(EVENTS)
            assert one.gateway.counters.connects == 2

    run(work())


def test_a_session_ends_with_its_links(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            session = client.new_session()
            await client.sender(EVENTS, session=session)
            session.close()
            client.flush()
            await one.rig.until(lambda: one.gateway.sessions.of(CAM) is None)
            await client.sender(EVENTS)

    run(work())


def test_an_identity_has_so_many_links_at_most(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            links = [await client.sender(EVENTS) for _ in range(MOST_LINKS)]
            with pytest.raises(RefusedError, match="amqp:resource-limit-exceeded"):
                await client.sender(EVENTS)
            await client.detach(links[3])
            await client.sender(EVENTS)

    run(work())


def test_a_link_that_is_given_up_before_it_is_answered_leaves_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = client.session.sender("hasty")
            link.target.address = EVENTS
            link.open()
            client.flush()
            link.close()
            client.flush()
            await client.ended(link)
            await asyncio.sleep(0.05)
            assert one.gateway.sessions.of(CAM) is None
            await client.sender(EVENTS)

    run(work())


def test_a_store_that_is_away_ends_the_link_with_a_condition_to_come_again(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)

            break_down(one.gateway.registry, "find")
            with pytest.raises(RefusedError, match=r"com\.microsoft:timeout"):
                await client.sender(EVENTS)

    run(work())


def test_somebody_must_prove_who_they_are_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(connection, "PROOF", 0.3)
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            proved = await one.signed_in(CAM)
            stranger = await one.client()
            assert await stranger.closed() == "amqp:unauthorized-access"
            await proved.sender(EVENTS)
            assert one.traffic.late == 1

    run(work())


# ------------------------------------------------------------------------------------------ certificates


def test_a_device_is_known_by_the_thumbprint_of_its_certificate(tmp_path: Path) -> None:
    async def work() -> None:
        shown, other = self_signed(tmp_path, "any-name"), self_signed(tmp_path, "other")
        async with hub(tmp_path) as one:
            known = Authentication(type="selfSigned", primary_thumbprint=shown.sha256)
            await one.rig.add("cam-1", authentication=known)
            client = await one.client(certificate=shown)
            assert await client.send(await client.sender(EVENTS), written(b"x")) == "accepted"
            await client.receiver("/devices/cam-1/twin")
            for certificate in (other, None):
                stranger = await one.client(certificate=certificate)
                with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                    await stranger.sender(EVENTS)

    run(work())


def test_a_device_is_known_by_an_authority_that_signed_its_name(tmp_path: Path) -> None:
    async def work() -> None:
        authority = Authority(tmp_path)
        async with hub(tmp_path, gateway=Gateway(device_ca_file=authority.file)) as one:
            by_authority = Authentication(type="certificateAuthority")
            await one.rig.add("cam-1", authentication=by_authority)
            await one.rig.add("cam-2", authentication=by_authority)
            client = await one.client(certificate=authority.signed("cam-1"))
            await client.sender(EVENTS)
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(OTHERS_EVENTS)
            await one.rig.until(lambda: one.rig.entries(Operated))
            assert [entry.device_id for entry in one.rig.entries(Operated)] == ["cam-1"]

    run(work())


def test_a_certificate_speaks_for_the_modules_that_show_it(tmp_path: Path) -> None:
    async def work() -> None:
        shown = self_signed(tmp_path, "cam-1")
        async with hub(tmp_path) as one:
            known = Authentication(type="selfSigned", primary_thumbprint=shown.sha1)
            await one.rig.add("cam-1", authentication=known)
            module = IdentityKey("cam-1", "camera")
            await one.rig.registry.create(Draft(key=module, authentication=known), "tests")
            client = await one.client(certificate=shown)
            await client.sender(EVENTS)
            await client.sender("/devices/cam-1/modules/camera/messages/events")
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(MODULE_EVENTS)

    run(work())


def test_a_module_signs_in_by_key_where_its_device_shows_a_certificate(tmp_path: Path) -> None:
    """So the legacy agent in C does it: its module has always a key."""

    async def work() -> None:
        shown = self_signed(tmp_path, "cam-1")
        async with hub(tmp_path) as one:
            known = Authentication(type="selfSigned", primary_thumbprint=shown.sha1)
            await one.rig.add("cam-1", authentication=known)
            client = await one.client(certificate=shown)
            await client.put_token(audience_of(MODULE), await one.rig.token(MODULE))
            await client.sender(MODULE_EVENTS)

    run(work())


# ---------------------------------------------------------------------------------------------- services


@pytest.mark.parametrize("address", ["/messages/devicebound", "/messages/serviceBound/feedback"])
def test_devices_are_no_services(tmp_path: Path, address: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            for attach in (client.sender, client.receiver):
                with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                    await attach(address)

    run(work())


def test_a_service_is_no_device(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            assert await client.put_token("localhost", policy_token(one, "service")) == (200, "OK")
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(EVENTS)

    run(work())


@pytest.mark.parametrize("policy", ["registryRead", "registryReadWrite"])
def test_a_policy_that_allows_nothing_here_proves_nothing(tmp_path: Path, policy: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            assert (await client.put_token("localhost", policy_token(one, policy)))[0] == 401

    run(work())


def test_an_attempt_that_shows_nothing_is_no_operation_of_the_device(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(EVENTS)
            await asyncio.sleep(0.05)
            assert one.rig.entries(Operated) == []

    run(work())


def test_a_proof_that_holds_no_more_is_forgotten(tmp_path: Path) -> None:
    """Its client is a stranger again, with a stranger's few attempts."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await one.rig.registry.delete(CAM, "tests")
            for _ in range(5):
                with pytest.raises(RefusedError):
                    await client.sender(EVENTS)
            assert await client.closed() == "amqp:unauthorized-access"

    run(work())
