"""How people and programs come in: by name and password, by OpenID Connect, by the first link, by OAuth 2."""

from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_urlsafe

from msgspec import Struct, structs

from fencepost.model.access import AccessChange, AccessToken, Grant, User
from fencepost.model.errors import FencepostError
from fencepost.service.access.directory import Directory
from fencepost.service.access.drafts import NewUser, problems_of_name, problems_of_user, refuse
from fencepost.service.access.passwords import Passwords
from fencepost.service.access.secrets import digest_of, new_secret, proves, read_secret
from fencepost.service.access.throttle import Attempt, Throttle, TooMany
from fencepost.service.access.users import Users, record_of_user

MOST_SESSIONS = 50
"""Of one user, and tokens handed out for one API token; the oldest makes room for another."""
INVITATION = timedelta(hours=24)
WRONG = "name or password is wrong"


class SignInRefused(FencepostError):  # noqa: N818 - an answer
    """Somebody is not let in; the text may be told them, and says no more than they may know."""


class SignedIn(Struct, frozen=True, kw_only=True):
    """A way in that was opened: `token` is its secret. `repr` does not show it."""

    token: str
    actor: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"SignedIn({self.actor!r}, ...)"


class Subject(Struct, frozen=True, kw_only=True):
    """Who an OpenID provider says has signed in: its own name for them, ours, and what they may."""

    subject: str
    name: str
    grants: tuple[Grant, ...]


class SignInCounts(Struct):
    """What came of attempts since the start."""

    succeeded: int = 0
    failed: int = 0
    throttled: int = 0


class SignIns:
    """The ways in; each attempt is counted, and slowed down when too many have failed."""

    def __init__(
        self,
        directory: Directory,
        passwords: Passwords,
        users: Users,
        throttle: Throttle,
        counts: SignInCounts,
    ) -> None:
        self._directory = directory
        self._passwords = passwords
        self._users = users
        self._throttle = throttle
        self._counts = counts
        self._invitation: bytes | None = None
        self._invited_until = directory.clock()

    async def by_password(self, name: str, password: str, address: str) -> SignedIn:
        """Open a session; raises SignInRefused and TooMany, for unknown names exactly as for known ones."""
        attempt = self.attempt(address, name)
        user = self._directory.user(name)
        is_right = await self._passwords.matches(user.password if user is not None else None, password)
        if user is None or not is_right or user.disabled:
            raise self._failure(WRONG)
        attempt.forgiven()
        renewed = await self._renewed(user, password)

        def known() -> User:
            now = self._directory.user(name)
            if now is None or now.disabled or now.password != user.password:
                raise self._failure(WRONG)
            return structs.replace(now, password=renewed)

        return await self._open(known, address, "password")

    async def confirm_password(self, name: str, password: str, address: str) -> None:
        """Raise SignInRefused unless this is a user's password; see `by_password`."""
        attempt = self.attempt(address, name)
        user = self._directory.user(name)
        if not await self._passwords.matches(user.password if user is not None else None, password):
            raise self._failure("the old password is wrong")
        attempt.forgiven()

    async def by_subject(self, who: Subject, address: str) -> SignedIn:
        """
        Open a session for somebody whom an OpenID provider vouches for, and who may what it says.

        The first time makes a user of them; a user of the same name who is somebody else stays that. Raises
        SignInRefused.
        """
        if not who.grants:
            await self._take_all_from(who)
            raise self._failure(
                "the OpenID provider knows you, but nothing that it says of you gives a role here"
            )

        def known() -> User:
            user = self._directory.user_of_subject(who.subject)
            if user is not None and user.disabled:
                raise self._failure("this user is disabled: an administrator can say why")
            return structs.replace(user, grants=who.grants) if user is not None else self._new_user_of(who)

        return await self._open(known, address, "openid")

    def _new_user_of(self, who: Subject) -> User:
        if problem := next(problems_of_name(who.name), None):
            raise self._failure(f"your name at the OpenID provider cannot be one here: {problem.reason}")
        if self._directory.user(who.name) is not None:
            reason = f"there is another user {who.name!r} here: an administrator must rename one of you"
            raise self._failure(reason)
        made = self._users.made(NewUser(name=who.name, grants=who.grants), None, f"user/{who.name}")
        return structs.replace(made, subject=who.subject)

    async def _take_all_from(self, who: Subject) -> None:
        """Somebody without a role at the provider has none here either, and their sessions end."""

        def making() -> AccessChange:
            user = self._directory.user_of_subject(who.subject)
            if user is None or not user.grants:
                return AccessChange()
            after = structs.replace(user, grants=(), version=user.version + 1)
            record = record_of_user(
                self._directory, "update", f"user/{user.name}", before=user, after=after, effect="by OpenID"
            )
            gone = self._directory.sessions_of(user.name)
            return AccessChange(users_put=[after], tokens_deleted=gone, audit=[record])

        await self._directory.change(making)

    # the first administrator

    def invite(self) -> str | None:
        """Return the code with which the first administrator comes in, within a day; None where there are users."""
        if self._directory.users():
            return None
        code = token_urlsafe(24)
        self._invitation = digest_of(code)
        self._invited_until = self._directory.clock() + INVITATION
        return code

    async def by_invitation(self, code: str, name: str, password: str, address: str) -> SignedIn:
        """
        Make the first administrator, once, and open a session.

        Raises OperatorError with all that is wrong with name and password, SignInRefused, and TooMany.
        """
        attempt = self.attempt(address)
        self._refuse_uninvited(code)
        draft = NewUser(name=name, grants=(Grant("administrator"),), password=password)
        attempt.forgiven()
        refuse(problems_of_user(draft))
        hashed = await self._passwords.hashed(password)

        def known() -> User:
            self._refuse_uninvited(code)
            return self._users.made(draft, hashed, "invitation")

        opened = await self._open(known, address, "invitation")
        self._invitation = None
        return opened

    def _refuse_uninvited(self, code: str) -> None:
        is_right = proves(code, self._invitation)
        if not is_right or self._directory.users() or self._invited_until <= self._directory.clock():
            raise self._failure(
                "this link has been used, or is over: sign in, or where nobody can, start the service anew for another"
            )

    # programs

    async def by_client(self, client_id: str, secret: str, address: str) -> SignedIn:
        """Hand out a token for an API token, by its id and its secret; raises SignInRefused and TooMany."""
        attempt = self.attempt(address)
        whole = read_secret(secret)
        bare = whole.secret if whole is not None and whole.token_id == client_id else secret
        parent = self._directory.proven(f"fpt_{client_id}_{bare}")
        if parent is None:
            raise self._failure("client id or secret is wrong, or the token is over")
        attempt.forgiven()
        made = new_secret("oauth")
        expires_at = self._directory.clock() + self._directory.lifetimes.oauth
        actor = self._directory.actor_of(parent)
        token = AccessToken(
            token_id=made.token_id,
            kind="oauth",
            name=parent.name,
            digest=made.digest,
            parent=parent.token_id,
            created_at=self._directory.clock(),
            created_by=actor,
            expires_at=expires_at,
        )

        def making() -> AccessChange:
            if not self._directory.stands(token):
                raise self._failure("client id or secret is wrong, or the token is over")
            gone = self._directory.surplus(lambda one: one.parent == parent.token_id, MOST_SESSIONS)
            record = self._directory.record("sign in", actor, actor, after=_of(token, address, "oauth"))
            return AccessChange(tokens_put=[token], tokens_deleted=gone, audit=[record])

        await self._directory.change(making)
        self._directory.use(parent)
        self._counts.succeeded += 1
        return SignedIn(token=made.text, actor=actor, expires_at=expires_at)

    # sessions

    async def sign_out(self, text: str) -> bool:
        """End the session of a secret; False where it is none."""
        token = self._directory.proven(text)
        if token is None or token.kind != "session":
            return False

        def making() -> AccessChange:
            actor = self._directory.actor_of(token)
            record = self._directory.record("sign out", actor, actor, before={"session": token.token_id})
            return AccessChange(tokens_deleted=[token.token_id], audit=[record])

        await self._directory.change(making)
        return True

    async def _open(self, known: Callable[[], User], address: str, way: str) -> SignedIn:
        """Open a session for a user as they are to be from now on."""
        secret, opened = new_secret("session"), []

        def making() -> AccessChange:
            now = self._directory.clock()
            wanted = known()
            before = self._directory.user(wanted.name)
            user = structs.replace(wanted, last_sign_in_at=now)
            session = AccessToken(
                token_id=secret.token_id,
                kind="session",
                name="session",
                digest=secret.digest,
                user=user.name,
                created_at=now,
                created_by=f"user/{user.name}",
                expires_at=now + self._directory.lifetimes.session,
            )
            opened.append(session)
            actor = f"user/{user.name}"
            changed = before is None or before.grants != user.grants
            version = before.version + 1 if before is not None and changed else user.version
            user = structs.replace(user, version=version)
            action = "create" if before is None else "update"
            records = [record_of_user(self._directory, action, actor, before=before, after=user)] * changed
            records.append(self._directory.record("sign in", actor, actor, after=_of(session, address, way)))
            return AccessChange(
                users_put=[user],
                tokens_put=[session],
                tokens_deleted=self._surplus_sessions(user.name),
                audit=records,
            )

        await self._directory.change(making)
        self._counts.succeeded += 1
        [session] = opened
        return SignedIn(
            token=secret.text, actor=session.created_by, expires_at=session.expires_at or session.created_at
        )

    def _surplus_sessions(self, name: str) -> list[str]:
        ours = {*self._directory.sessions_of(name)}
        return self._directory.surplus(lambda one: one.token_id in ours, MOST_SESSIONS)

    async def _renewed(self, user: User, password: str) -> str | None:
        """Return a hash made as hashes are made now."""
        if user.password is None or not self._passwords.is_outdated(user.password):
            return user.password
        return await self._passwords.hashed(password)

    def attempt(self, address: str, name: str | None = None) -> Attempt:
        """
        Count an attempt from an address, to sign in under a name; raises TooMany.

        Without a name, where nobody can guess the secret: else a stranger could keep others out.
        """
        try:
            return self._throttle.attempt(address, name)
        except TooMany:
            self._counts.throttled += 1
            raise

    def _failure(self, reason: str) -> SignInRefused:
        self._counts.failed += 1
        return SignInRefused(reason)


def _of(token: AccessToken, address: str, way: str) -> dict[str, str]:
    """Return what the audit says of a way in."""
    return {"session": token.token_id, "address": address, "by": way}
