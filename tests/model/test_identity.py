from fencepost.model.identity import Authentication, IdentityKey


def test_an_identity_is_named_as_its_client_id() -> None:
    assert str(IdentityKey("d1")) == "d1"
    assert str(IdentityKey("d1", "azureiotsecurity")) == "d1/azureiotsecurity"


def test_ids_are_told_apart_by_case() -> None:
    assert IdentityKey("d1") != IdentityKey("D1")
    assert IdentityKey("d1", "m") != IdentityKey("d1", "M")
    assert len({IdentityKey("d1"), IdentityKey("d1", "m"), IdentityKey("d1")}) == 2


def test_no_key_is_shown() -> None:
    shown = repr(Authentication(primary_key="c2VjcmV0", secondary_key="c2VjcmV0", primary_thumbprint="AB"))
    assert shown == "Authentication('sas', ...)"
