"""The folder `tls/` over the years: renewed, completed, and an operator's own files left alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from tests.setup.made import NOW, contents, prepared

from fencepost.model.errors import OperatorError
from fencepost.setup.certificates import certificate_pem, key_pem, new_authority, new_key, new_server
from fencepost.setup.installation import load
from fencepost.setup.tls import AUTHORITY, AUTHORITY_KEY, FILES, MOST_NAMES, SERVER, SERVER_KEY

DAY = timedelta(days=1)


def put_own_certificate(folder: Path, *names: str, now: datetime = NOW) -> None:
    """Put a certificate of an authority that the folder does not know, and its key."""
    authority_key, key = new_key(), new_key()
    authority = new_authority(authority_key, now)
    certificate = new_server(authority, authority_key, key.public_key(), names, now)
    (folder / "tls").mkdir(exist_ok=True, parents=True)
    (folder / SERVER).write_bytes(certificate_pem(certificate, authority))
    (folder / SERVER_KEY).write_bytes(key_pem(key))
    (folder / SERVER_KEY).chmod(0o600)


def reason_of(folder: Path, *names: str, now: datetime = NOW, with_rsa: bool = False) -> str:
    with pytest.raises(OperatorError) as caught:
        prepared(folder, *names, now=now, with_rsa=with_rsa)
    return str(caught.value)


def test_names_that_are_covered_leave_the_certificate_as_it_is(tmp_path: Path) -> None:
    prepared(tmp_path, "a.example", "*.plant.example")
    before = contents(tmp_path)
    again = prepared(tmp_path, "A.example", "b.plant.example", "127.0.0.1")
    assert (again.made, contents(tmp_path)) == ((), before)


def test_a_new_name_makes_a_new_certificate_with_the_old_names_and_the_old_keys(tmp_path: Path) -> None:
    old = prepared(tmp_path, "a.example")
    before = contents(tmp_path)
    new = prepared(tmp_path, "b.example", "192.0.2.7")
    assert new.made == (SERVER,)
    assert new.hostnames[:2] == ("b.example", "192.0.2.7")
    assert set(new.hostnames) == {*old.hostnames, "b.example", "192.0.2.7"}
    changed = {name for name, content in contents(tmp_path).items() if before[name] != content}
    assert changed == {SERVER}


@pytest.mark.parametrize(("days", "made"), [(789, ()), (790, (SERVER,)), (900, (SERVER,))])
def test_a_certificate_is_renewed_in_its_last_30_days(
    tmp_path: Path, days: int, made: tuple[str, ...]
) -> None:
    prepared(tmp_path, "a.example")
    later = prepared(tmp_path, now=NOW + days * DAY)
    assert later.made == made
    assert later.expires_at > NOW + (days + 30) * DAY
    assert "a.example" in later.hostnames


def test_names_do_not_grow_without_end(tmp_path: Path) -> None:
    prepared(tmp_path)
    reason = reason_of(tmp_path, *(f"host{number}.example" for number in range(MOST_NAMES)))
    assert f"more than {MOST_NAMES} names: remove the file" in reason
    (tmp_path / SERVER).unlink()
    assert prepared(tmp_path, "one.example").hostnames[0] == "one.example"


@pytest.mark.parametrize("missing", [{SERVER}, {SERVER_KEY}, {SERVER, SERVER_KEY}, {AUTHORITY}, set(FILES)])
def test_files_that_are_missing_are_made_again_and_fit_the_others(tmp_path: Path, missing: set[str]) -> None:
    prepared(tmp_path)
    before = contents(tmp_path)
    for name in missing:
        (tmp_path / name).unlink()
    again = prepared(tmp_path)
    assert (again.ca_file, again.warnings) == (tmp_path / AUTHORITY, ())
    kept = {name for name, content in contents(tmp_path).items() if before[name] == content}
    remade = missing | ({SERVER} if SERVER_KEY in missing else set())
    assert kept == set(before) - remade


def test_a_certificate_that_a_lost_key_belonged_to_is_made_anew(tmp_path: Path) -> None:
    prepared(tmp_path)
    (tmp_path / SERVER_KEY).write_bytes(key_pem(new_key()))
    assert prepared(tmp_path).made == (SERVER,)


def test_an_authority_key_that_is_kept_elsewhere_is_missed_only_for_signing(tmp_path: Path) -> None:
    prepared(tmp_path)
    key = (tmp_path / AUTHORITY_KEY).read_bytes()
    (tmp_path / AUTHORITY_KEY).unlink()
    assert (prepared(tmp_path).made, prepared(tmp_path).warnings) == ((), ())
    assert "put the key of ca.pem back" in reason_of(tmp_path, "new.example")
    (warning,) = prepared(tmp_path, now=NOW + 800 * DAY).warnings
    assert "put ca.key back" in warning.reason
    (tmp_path / AUTHORITY_KEY).write_bytes(key)
    assert SERVER in prepared(tmp_path, "new.example").made


def test_an_operators_certificate_is_never_overwritten(tmp_path: Path) -> None:
    put_own_certificate(tmp_path, "iot.example")
    own = contents(tmp_path)
    for now in (NOW, NOW + 800 * DAY, NOW + 5000 * DAY):
        installation = prepared(tmp_path, "iot.example", now=now)
        assert installation.ca_file is None
        assert installation.hostnames == ("iot.example",)
        assert contents(tmp_path, own) == own


def test_an_operators_certificate_that_ends_soon_or_covers_too_little_is_told(tmp_path: Path) -> None:
    put_own_certificate(tmp_path, "iot.example")
    assert prepared(tmp_path).warnings == ()
    (warning,) = prepared(tmp_path, now=NOW + 800 * DAY).warnings
    assert warning.file == str(tmp_path / SERVER)
    assert "this certificate ends on" in warning.reason
    reason = reason_of(tmp_path, "iot.example", "b.example")
    assert "does not cover b.example: put one here that does, or move it away" in reason


def test_an_operators_certificate_needs_its_own_key(tmp_path: Path) -> None:
    put_own_certificate(tmp_path, "iot.example")
    key = (tmp_path / SERVER_KEY).read_bytes()
    (tmp_path / SERVER_KEY).write_bytes(key_pem(new_key()))
    assert "not the key of server.pem" in reason_of(tmp_path)
    (tmp_path / SERVER_KEY).unlink()
    assert "the server's key is missing" in reason_of(tmp_path)
    assert not (tmp_path / SERVER_KEY).exists()
    (tmp_path / SERVER_KEY).write_bytes(key)
    assert prepared(tmp_path).key.read_bytes() == key


def test_an_operators_authority_of_another_kind_signs_as_well(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    (tmp_path / "tls").mkdir()
    (tmp_path / AUTHORITY_KEY).write_bytes(key_pem(key))
    (tmp_path / AUTHORITY).write_bytes(certificate_pem(new_authority(key, NOW)))
    own = contents(tmp_path)
    assert prepared(tmp_path).ca_file == tmp_path / AUTHORITY
    assert contents(tmp_path, own) == own


# RSA, for devices that know nothing else


def key_size(folder: Path, name: str) -> int:
    """Return the size of an RSA key in bits."""
    key = serialization.load_pem_private_key((folder / name).read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.key_size


def test_rsa_is_for_the_authority_and_the_server(tmp_path: Path) -> None:
    installation = prepared(tmp_path, "a.example", with_rsa=True)
    assert installation.ca_file == tmp_path / AUTHORITY
    assert (key_size(tmp_path, AUTHORITY_KEY), key_size(tmp_path, SERVER_KEY)) == (3072, 2048)
    certificate = x509.load_pem_x509_certificate((tmp_path / SERVER).read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, True)
    assert prepared(tmp_path, with_rsa=True).made == ()


@pytest.mark.parametrize("missing", [{SERVER}, {SERVER_KEY}, {SERVER, SERVER_KEY}, {AUTHORITY}])
def test_what_is_made_later_has_keys_of_the_kind_of_the_authority(tmp_path: Path, missing: set[str]) -> None:
    prepared(tmp_path, with_rsa=True)
    for name in missing:
        (tmp_path / name).unlink()
    again = prepared(tmp_path, "b.example", now=NOW + 900 * DAY)
    assert (again.ca_file, again.warnings) == (tmp_path / AUTHORITY, ())
    assert key_size(tmp_path, SERVER_KEY) == 2048


def test_a_renewal_keeps_the_kind_of_key(tmp_path: Path) -> None:
    prepared(tmp_path, with_rsa=True)
    before = contents(tmp_path)
    assert prepared(tmp_path, now=NOW + 900 * DAY).made == (SERVER,)
    assert {name for name, content in contents(tmp_path).items() if before[name] != content} == {SERVER}


def test_keys_of_another_kind_are_never_replaced_and_the_way_out_is_told(tmp_path: Path) -> None:
    prepared(tmp_path)
    before = contents(tmp_path)
    said = reason_of(tmp_path, with_rsa=True)
    assert said.startswith(f"{tmp_path / AUTHORITY}: its key is ECDSA, and what is there is kept")
    assert contents(tmp_path) == before
    for name in FILES:
        (tmp_path / name).rename(tmp_path / Path(name).name)
    prepared(tmp_path, with_rsa=True)
    (tmp_path / SERVER_KEY).write_bytes(key_pem(new_key()))
    assert reason_of(tmp_path, with_rsa=True).startswith(f"{tmp_path / SERVER_KEY}: its key is ECDSA")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (SERVER, b"garbage", "not a certificate in PEM: restore it from your backup, or move it away"),
        (SERVER, b"", "not a certificate in PEM"),
        (SERVER_KEY, b"garbage", "not a private key in PEM"),
        (AUTHORITY, b"garbage", "not a certificate in PEM"),
        (AUTHORITY_KEY, b"garbage", "not a private key in PEM"),
        (AUTHORITY_KEY, key_pem(new_key()), "not the key of ca.pem"),
        (AUTHORITY_KEY, key_pem(ed25519.Ed25519PrivateKey.generate()), "neither an ECDSA nor an RSA key"),
    ],
)
def test_files_that_cannot_be_used_are_named_and_left_alone(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    prepared(tmp_path)
    (tmp_path / name).write_bytes(content)
    before = contents(tmp_path)
    said = reason_of(tmp_path)
    assert said.startswith(str(tmp_path / name))
    assert reason in said
    assert contents(tmp_path) == before


def test_an_authority_is_complained_of_half_a_year_before_its_end_and_signs_nothing_after_it(
    tmp_path: Path,
) -> None:
    prepared(tmp_path)
    assert prepared(tmp_path, now=NOW + 3400 * DAY).warnings == ()
    renewed = prepared(tmp_path, now=NOW + 3480 * DAY)
    (warning,) = renewed.warnings
    assert warning.file == str(tmp_path / AUTHORITY)
    assert "give clients the new ca.pem" in warning.reason
    assert prepared(tmp_path, now=NOW + 3640 * DAY).made == ()
    assert prepared(tmp_path, now=NOW + 3700 * DAY).made == ()
    assert "this authority ended on" in reason_of(tmp_path, "new.example", now=NOW + 3700 * DAY)


def test_after_the_move_that_the_complaint_asks_for_there_is_a_new_authority(tmp_path: Path) -> None:
    prepared(tmp_path)
    for name in (AUTHORITY_KEY, AUTHORITY, SERVER):
        (tmp_path / name).unlink()
    later = prepared(tmp_path, now=NOW + 3700 * DAY)
    assert later.made == (AUTHORITY_KEY, AUTHORITY, SERVER)
    assert later.warnings == ()
    assert load(tmp_path).ca_file == tmp_path / AUTHORITY


def test_a_clock_that_was_never_set_signs_nothing_and_disturbs_nothing(tmp_path: Path) -> None:
    unset = datetime(1970, 1, 1, tzinfo=UTC)
    assert "clock says 1970-01-01: set it" in reason_of(tmp_path, now=unset)
    assert not list((tmp_path / "tls").iterdir())
    prepared(tmp_path)
    assert prepared(tmp_path, now=unset).made == ()
    assert "clock says" in reason_of(tmp_path, "new.example", now=unset)


def test_an_encrypted_key_is_refused_with_what_to_do(tmp_path: Path) -> None:
    prepared(tmp_path)
    sealed = new_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / SERVER_KEY).write_bytes(sealed)
    assert "protected by a passphrase: store it without" in reason_of(tmp_path)


def test_a_renewed_certificate_still_verifies_under_a_ca_file_made_again(tmp_path: Path) -> None:
    prepared(tmp_path)
    old = x509.load_pem_x509_certificate((tmp_path / SERVER).read_bytes())
    (tmp_path / AUTHORITY).unlink()
    prepared(tmp_path)
    old.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / AUTHORITY).read_bytes()))
