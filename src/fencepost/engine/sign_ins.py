"""Who signed in: agents name users by name, by number, or not at all (S13)."""

from collections.abc import Iterable

from fencepost.engine.device import ACCOUNTS, LONGEST_NAME, SAME_PROCESS, SIGN_INS, Device
from fencepost.engine.names import (
    User,
    name_of,
    uid_of,
)
from fencepost.engine.turn import Turn
from fencepost.engine.windows import PAIRING, PAM_OPERATION
from fencepost.model.event import (
    LocalUsers,
    Login,
    SignIn,
)
from fencepost.model.instant import micros


def user_of(device: Device, event: Login, record: SignIn, turn: Turn) -> User:
    """Return who signed in: by name, by PAM record, by LocalUsers, or by uid, in this order."""
    name, uid = name_of(record), uid_of(record)
    if name is not None:
        if record.operation == PAM_OPERATION:
            _keep_sign_in(device, event, record, name, turn)
    elif record.process_id is not None:
        name = _name_by_pam(device, micros(event.occurred_at), record.process_id, turn)
    if name is None and uid is not None:
        name = _name_by_account(device, uid, turn)
    return User(name, uid)


def _sign_ins(device: Device, turn: Turn) -> dict[int | str, list[tuple[int, SignIn]]]:
    """Return the sign-ins of the message by process; its accounts are learnt at the same time."""
    if turn.sign_ins is None:
        turn.sign_ins = {}
        for event in turn.message.events if turn.message is not None else ():
            if type(event) is LocalUsers:
                learn_accounts(device, event)
            elif type(event) is Login:
                for record in event.payload:
                    if record.result == "Success" and record.process_id is not None:
                        known = turn.sign_ins.setdefault(record.process_id, [])
                        if len(known) < SAME_PROCESS:
                            known.append((micros(event.occurred_at), record))
    return turn.sign_ins


def _name_by_pam(device: Device, at: int, process: int | str, turn: Turn) -> str | None:
    best, name = PAIRING + 1, None
    for time, record in _sign_ins(device, turn).get(process, ()):
        if record.operation == PAM_OPERATION:
            distance, said = abs(at - time), name_of(record)
            if said is not None and distance < best:
                best, name = distance, said
    if device.memory is not None:
        for time, known, said in device.memory.sign_ins:
            if known == str(process) and abs(at - time) < best:
                best, name = abs(at - time), said
    return name


def _keep_sign_in(device: Device, event: Login, record: SignIn, name: str, turn: Turn) -> None:
    """Remember a PAM record whose nameless login record is not in the same message."""
    process, at = record.process_id, micros(event.occurred_at)
    if process is None or len(name) > LONGEST_NAME or len(str(process)) > LONGEST_NAME:
        return
    for time, other in _sign_ins(device, turn).get(process, ()):
        if other.user_name is None and abs(time - at) <= PAIRING:
            return
    memory = device.remember()
    kept = (at, str(process), name)
    if kept not in memory.sign_ins:
        memory.sign_ins = (*memory.sign_ins[-SIGN_INS + 1 :], kept)


def _name_by_account(device: Device, uid: str, turn: Turn) -> str | None:
    _sign_ins(device, turn)
    memory = device.memory
    if memory is None or not memory.accounts:
        return None
    pairs = (line.partition("\t") for line in memory.accounts.split("\n"))
    return next((name for known, _, name in pairs if known == uid), None)


def learn_accounts(device: Device, event: LocalUsers) -> None:
    """Remember the device's accounts if the report is its latest."""
    at = micros(event.occurred_at)
    memory = device.remember()
    if memory.accounts and at < memory.accounts_at:
        return
    lines = memory.accounts.split("\n") if memory.accounts and at == memory.accounts_at else []
    lines += (
        f"{account.user_id}\t{account.user_name}"
        for account in event.payload
        if account.user_id not in (None, "") and account.user_name
    )
    memory.accounts, memory.accounts_at = _fitting(lines), at


def _fitting(lines: Iterable[str]) -> str:
    """Return as many accounts as the memory of a device has room for, the shortest first (S26)."""
    kept: dict[str, None] = {}
    room = ACCOUNTS
    for line in sorted(lines, key=len):
        if "\n" in line:
            continue  # no account has such a name, and it would read as two
        room -= len(line) + 1
        if room < 0:
            break
        kept[line] = None
    return "\n".join(kept)
