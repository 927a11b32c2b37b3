"""Pages for people: how they come in, who they are, the way out. They need a `Site` as `app.state.site`."""

from typing import Any

from fencepost.web.pages import signed_in, signing_in

HANDLERS: list[Any] = [
    signing_in.get_sign_in,
    signing_in.post_sign_in,
    signing_in.get_openid,
    signing_in.get_callback,
    signing_in.get_welcome,
    signing_in.post_welcome,
    signed_in.get_signed_in,
    signed_in.post_sign_out,
]
