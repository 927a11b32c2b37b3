"""azure-identity of Python and @azure/identity of JavaScript, unmodified, against the OAuth 2 endpoint."""

from collections.abc import Callable

from tests.serving import Serving
from tests.web.azure.clients.owners import Owner
from tests.web.people import token

ALERTS = "alerts"
AUTHENTICATION = {"ClientAuthenticationError", "AuthenticationError", "AuthenticationRequiredError"}


def test_a_wrong_secret_is_an_error_of_authentication(
    serving: Serving, starting: Callable[[], Owner]
) -> None:
    owner = starting()
    made = token(serving, f"identity-wrong-{owner.client}", "viewer")
    owner.sign_in_by_secret(made["token_id"], "a-wrong-secret")
    assert owner.refused(ALERTS, "list")["class"] in AUTHENTICATION


def test_a_viewer_lists_and_is_out_when_the_token_is_revoked(
    serving: Serving, starting: Callable[[], Owner]
) -> None:
    owner = starting()
    made = token(serving, f"identity-viewer-{owner.client}", "viewer")
    owner.sign_in_by_secret(made["token_id"], made["token"])
    assert owner.do(ALERTS, "list") == []
    assert serving.admin.delete(f"/v1/tokens/{made['token_id']}").status_code == 204
    assert owner.refused(ALERTS, "list")["status"] == 401
