"""`/v1/users`: who may sign in, and what they may."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import Body, Parameter
from msgspec import Meta, Struct

from fencepost.model.access import User
from fencepost.service.access import NewUser, SignInRefused, TooMany
from fencepost.service.access.drafts import LONGEST_NAME, LONGEST_PASSWORD, SHORTEST_PASSWORD
from fencepost.web.api.access import (
    actor_of,
    address_of,
    identified,
    principal_of,
    requires,
    secret_of,
)
from fencepost.web.api.documented import problems_of
from fencepost.web.api.etags import IfMatch, etag, seen_version
from fencepost.web.api.grants import EXAMPLE, GrantBody, Grants, example, grants_of, views_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service
from fencepost.web.api.session import throttled

USER = "user/"
UserName = Annotated[
    str, Parameter(description="The name of the user, without case.", max_length=LONGEST_NAME)
]
Password = Annotated[str, Meta(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]
ADMINISTRATOR = [requires("administrator", everywhere=True)]


class UserDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to be made; without a password they cannot sign in yet. `repr` shows none."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    password: Password | None = None
    grants: Grants = []

    def __repr__(self) -> str:
        return f"UserDraft({self.name!r}, ...)"


class UserBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user may, and whether they may come in."""

    grants: Grants
    disabled: bool = False


class PasswordBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another password; of one's own the old one has to be shown. `repr` shows neither."""

    password: Password
    old_password: Annotated[str, Meta(max_length=4096)] | None = None

    def __repr__(self) -> str:
        return "PasswordBody(...)"


class UserView(Struct, frozen=True, kw_only=True):
    """A user; `subject` is how an OpenID provider names them, `version` counts the changes and is the ETag."""

    name: str
    grants: list[GrantBody]
    disabled: bool
    has_password: bool
    subject: str | None
    created_at: datetime
    created_by: str
    last_sign_in_at: datetime | None
    version: int


class Users(Struct, frozen=True):
    """All users, by their names."""

    items: list[UserView]


NEW = example({"name": "anna", "password": "correct horse battery staple", "grants": EXAMPLE})
CHANGED = example({"grants": EXAMPLE, "disabled": False})
OTHER = example({"password": "correct horse battery staple", "old_password": "the one until now, long too"})


@get(
    "/v1/users",
    guards=ADMINISTRATOR,
    operation_id="listUsers",
    summary="List the users.",
    responses=problems_of(401, 403),
    tags=["access"],
)
async def list_users(request: Request[Any, Any, Any]) -> Users:
    """Return all users."""
    service: Service = request.app.state.service
    return Users([view_of(user) for user in service.access.users.all()])


@post(
    "/v1/users",
    guards=ADMINISTRATOR,
    operation_id="createUser",
    summary="Make a user.",
    responses=problems_of(400, 401, 403, 409, 413, 503),
    tags=["access"],
)
async def create_user(
    request: Request[Any, Any, Any], data: Annotated[UserDraft, Body(examples=NEW)]
) -> Response[UserView]:
    """Make a user, who may sign in at once if they have a password."""
    service: Service = request.app.state.service
    draft = NewUser(name=data.name, grants=grants_of(data.grants), password=data.password)
    return _answer(await service.access.users.add(draft, actor_of(request)), 201)


@get(
    "/v1/users/{name:str}",
    guards=ADMINISTRATOR,
    operation_id="getUser",
    summary="Get a user.",
    responses=problems_of(400, 401, 403, 404),
    tags=["access"],
)
async def get_user(request: Request[Any, Any, Any], name: UserName) -> Response[UserView]:
    """Return a user; the ETag is for If-Match."""
    service: Service = request.app.state.service
    return _answer(service.access.users.named(name))


@put(
    "/v1/users/{name:str}",
    guards=ADMINISTRATOR,
    operation_id="putUser",
    summary="Say what a user may.",
    responses=problems_of(400, 401, 403, 404, 409, 412, 413, 503),
    tags=["access"],
)
async def put_user(
    request: Request[Any, Any, Any],
    name: UserName,
    data: Annotated[UserBody, Body(examples=CHANGED)],
    if_match: IfMatch = None,
) -> Response[UserView]:
    """
    Give a user other roles, or disable them: who is disabled is out at once, and so are their tokens.

    The last administrator for everything stays one.
    """
    service: Service = request.app.state.service
    users, version = service.access.users, _version(service, name, if_match)
    grants = grants_of(data.grants)
    changed = await users.change(name, grants, actor_of(request), disabled=data.disabled, version=version)
    return _answer(changed)


@delete(
    "/v1/users/{name:str}",
    guards=ADMINISTRATOR,
    operation_id="deleteUser",
    summary="Delete a user.",
    responses=problems_of(400, 401, 403, 404, 409, 412, 503),
    tags=["access"],
)
async def delete_user(request: Request[Any, Any, Any], name: UserName, if_match: IfMatch = None) -> None:
    """Take a user away: their sessions end, and their tokens are revoked."""
    service: Service = request.app.state.service
    version = _version(service, name, if_match)
    await service.access.users.delete(name, actor_of(request), version=version)


@put(
    "/v1/users/{name:str}/password",
    status_code=204,
    guards=[identified],
    operation_id="putPassword",
    summary="Set a password.",
    responses=problems_of(400, 401, 403, 404, 413, 429, 503),
    tags=["access"],
)
async def put_password(
    request: Request[Any, Any, Any], name: UserName, data: Annotated[PasswordBody, Body(examples=OTHER)]
) -> None:
    """
    Set one's own password, with the old one, or that of others as an administrator of everything.

    All sessions of the user end, but the one that is used for this.
    """
    service: Service = request.app.state.service
    await _check_may_set(request, name, data)
    shown = service.access.token_of(secret_of(request))
    keep = shown.token_id if shown is not None else None
    await service.access.users.set_password(name, data.password, actor_of(request), keep=keep)


async def _check_may_set(request: Request[Any, Any, Any], name: str, data: PasswordBody) -> None:
    """Raise Refused where somebody sets another's password, or their own without the old one; Missing like `GET`."""
    service: Service = request.app.state.service
    principal = principal_of(request)
    if principal.actor.casefold() != f"{USER}{name}".casefold():
        if not principal.may("administrator"):
            raise Refused(403, "of others only an administrator of everything sets the password")
        service.access.users.named(name)
        return
    try:
        await service.access.sign_ins.confirm_password(name, data.old_password or "", address_of(request))
    except SignInRefused as error:
        raise Refused(403, str(error)) from None
    except TooMany as error:
        raise throttled(error) from None


def view_of(user: User) -> UserView:
    """Return a user as administrators see them: without a hash."""
    return UserView(
        name=user.name,
        grants=views_of(user.grants),
        disabled=user.disabled,
        has_password=user.password is not None,
        subject=user.subject,
        created_at=user.created_at,
        created_by=user.created_by,
        last_sign_in_at=user.last_sign_in_at,
        version=user.version,
    )


def _version(service: Service, name: str, if_match: str | None) -> int | None:
    return seen_version(if_match, service.access.users.named(name).version) if if_match is not None else None


def _answer(user: User, status: int = 200) -> Response[UserView]:
    return Response(view_of(user), status_code=status, headers=etag(user.version))
