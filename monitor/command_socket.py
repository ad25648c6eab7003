"""The way in for everything a person decides: JSON lines over STATE/command.sock, one question, one answer.

Nobody logs in. The kernel says which user is at the other end (SO_PEERCRED); the groups of that user and the table
[roles] say which role, and the role which rights. A message cannot claim a role. The screen and the command line are
the clients; while the daemon is dead they say so and nothing is recorded. Standard library only.
"""

import asyncio
import grp
import json
import os
import pwd
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from monitor.plant import RIGHTS, ROLES
from monitor.state import State
from monitor.words import clean

if TYPE_CHECKING:
    from monitor.plant import Settings

FORMAT = 1
LINE_LIMIT = 65_536  # bytes of a message or an answer with its newline
IDLE_S = 30.0  # a client that says nothing for so long is let go
ANSWER_S = 10.0  # the daemon's own limit for one message
CLIENTS = 64
TOO_MANY = "too many clients"
VERBS: Mapping[str, str | None] = {  # verb -> the right it needs; None: any role above viewer; "": everybody
    "whoami": "",
    "status": "",  # what the daemon publishes, for when it cannot be written
    "acknowledge": "acknowledge",
    "shelve": "acknowledge",
    "decide": "decide",
    "finding": "finding",
    "work_order": "finding",
    "failure": "finding",
    "event": "freeze",
    "cost": "freeze",
    "import": "finding",
    "reading": "acknowledge",
    "confirm_baseline": "confirm_baseline",
    "freeze": "freeze",
    "review": None,
    "contest": "finding",
    "sign_audit": "sign",
    "erase": "erase",
    "new_key": "seal",
    "anchor": None,
    "security_log": "security",
    "export": None,
    "reload": "configure",
    "confirm_clock": "configure",
    "run_job": None,
    "probe": None,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end, as the kernel says: user id, and for each role of its groups the rights."""

    uid: int
    roles: Mapping[str, tuple[str, ...]]  # in order of ROLES; never empty: nobody's role is viewer

    @property
    def role(self) -> str:
        """The highest role, in the order of monitor.plant.ROLES."""
        return list(self.roles)[-1]

    @property
    def rights(self) -> tuple[str, ...]:
        """All rights of all roles, in the order of monitor.plant.RIGHTS."""
        held = {right for rights in self.roles.values() for right in rights}
        return tuple(right for right in RIGHTS if right in held)

    def role_for(self, right: str) -> str | None:
        """The highest role that has this right, in whose name the deed is recorded; None if there is none."""
        able = [role for role, rights in self.roles.items() if right in rights]
        return able[-1] if able else None

    def role_to(self, verb: str) -> str | None:
        """The role in whose name the verb may be used; None if there is none."""
        right = VERBS[verb]
        if right:
            return self.role_for(right)
        return self.role if right == "" or self.rights else None


@dataclass(frozen=True, slots=True)
class Request:
    """One message that may be carried out: what, and in the name of which role."""

    verb: str
    data: Mapping[str, Any]
    role: str
    rights: tuple[str, ...]
    uid: int = -1  # told apart for the security log alone; nothing that is recorded of a deed has it


Handle = Callable[[Request], Awaitable[Mapping[str, Any]]]
OnAccess = Callable[[int, str, bool, str, str], None]  # uid, verb ("" none), whether it is let in, role, why not


@dataclass(slots=True)
class Door:
    """What those who come in are measured by; `settings` may be exchanged while the door is open."""

    settings: "Settings"
    handle: Handle
    on_access: OnAccess


def caller_of(uid: int, gid: int, groups: Mapping[str, str], rights: Mapping[str, tuple[str, ...]]) -> Caller:
    """The roles of a user by its groups (`groups`: operating-system group -> role, `rights`: role -> rights).

    No group = viewer, root too. Only where [roles] maps no group at all, on a machine just set up, the user who runs
    the daemon has the rights of administrator: all, unless [roles] says which.
    """
    if not groups and uid == os.geteuid():
        return Caller(uid, {"administrator": tuple(rights.get("administrator", RIGHTS))})
    names = _group_names(uid, gid)
    held = {role for group, role in groups.items() if group in names} or {"viewer"}
    return Caller(uid, {role: tuple(rights.get(role, ())) for role in ROLES if role in held})


def _group_names(uid: int, gid: int) -> set[str]:
    numbers = {gid}
    with suppress(KeyError):  # a user id without a name has only the group it came with
        entry = pwd.getpwuid(uid)
        numbers |= set(os.getgrouplist(entry.pw_name, entry.pw_gid))
    names = set()
    for number in numbers:
        with suppress(KeyError):
            names.add(grp.getgrgid(number).gr_name)
    return names


@asynccontextmanager
async def serve(
    state: State, settings: "Settings", handle: Handle, on_access: OnAccess = lambda *_: None
) -> AsyncIterator[Door]:
    """Answer on STATE/command.sock while the block runs. The caller holds daemon.lock.

    `handle` gets each Request whose role may make it and returns what the answer holds besides format, id and ok; a
    UserError becomes a refusal in its words. `whoami` is answered here. `on_access` is told of each message, before it
    is carried out, whether it is let in or refused; what a client sent is never in its words.
    """
    door = Door(settings, handle, on_access)
    clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
    users: dict[asyncio.StreamWriter, int] = {}  # in the order in which they came

    async def answer_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients[writer] = asyncio.current_task()
        try:
            uid, gid = _peer(writer)
            users[writer] = uid
            if len(clients) > CLIENTS and (one := _to_let_go(users, uid)) is not None:
                on_access(users.pop(one), "", False, "", TOO_MANY)
                one.transport.abort()
            elif len(clients) > CLIENTS:
                on_access(uid, "", False, "", TOO_MANY)
                await _send(writer, _refusal("", f"{CLIENTS} clients are connected already; try again in a moment"))
                return
            await _converse(reader, writer, uid, gid, door)
        except (ConnectionError, TimeoutError):
            pass  # the client went away or does not read: its affair
        finally:
            clients.pop(writer, None)
            users.pop(writer, None)
            writer.close()

    try:
        server = await asyncio.start_unix_server(answer_client, state.socket, limit=LINE_LIMIT)
    except OSError as fault:
        raise UserError(f"{state.socket}: cannot be opened ({fault.strerror}); remove what lies there") from fault
    state.socket.chmod(0o660)
    try:
        yield door
    finally:
        server.close()
        tasks = [task for task in clients.values() if task]
        for writer in list(clients):
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        state.socket.unlink(missing_ok=True)


def _to_let_go(users: Mapping[asyncio.StreamWriter, int], uid: int) -> asyncio.StreamWriter | None:
    """The oldest client of the user who has most, where `uid` has fewer: nobody keeps the others out of the room."""
    counted = Counter(users.values())
    crowd, most = counted.most_common(1)[0]
    return next(one for one, user in users.items() if user == crowd) if most > counted[uid] else None


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """(uid, gid) of the process at the other end, as the kernel says."""
    link: socket.socket = writer.get_extra_info("socket")
    _pid, uid, gid = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid, gid


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int, gid: int, door: Door) -> None:
    while True:
        try:
            line = await asyncio.wait_for(reader.readuntil(b"\n"), IDLE_S)
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            door.on_access(uid, "", False, "", "too long")
            await _send(writer, _refusal("", f"a message may have {LINE_LIMIT} bytes at most"))
            return
        caller = caller_of(uid, gid, door.settings.groups, door.settings.rights)
        await _send(writer, await _answer(line, caller, door))


async def _answer(line: bytes, caller: Caller, door: Door) -> dict[str, Any]:
    def told(verb: str, allowed: bool, role: str, why: str = "") -> None:
        door.on_access(caller.uid, verb, allowed, role, why)

    settings = door.settings
    try:
        name, verb, data = parse_message(line)
    except ValueError as fault:
        told("", False, caller.role, "not understood")
        return _refusal("", f"not understood: {fault}")
    if verb == "whoami":
        told(verb, True, caller.role)
        return {"format": FORMAT, "id": name, "ok": True, "role": caller.role, "rights": list(caller.rights)}
    if verb not in VERBS:
        told("", False, caller.role, "unknown verb")
        return _refusal(name, f"{clean(verb, 40)} is unknown; known: {', '.join(VERBS)}")
    right = VERBS[verb]
    role = caller.role_to(verb)
    if role is None:
        told(verb, False, caller.role, f"no right to {right}" if right else "no right")
        needed = f"right to {right}" if right else "right to do this"
        who = _who_may(right, settings)
        return _refusal(name, f"{verb}: role {caller.role} has no {needed}; {who}")
    if verb != "status":  # what everybody may read in a file is nobody's deed
        told(verb, True, role)
    try:
        reply = await asyncio.wait_for(door.handle(Request(verb, data, role, caller.rights, caller.uid)), ANSWER_S)
    except UserError as fault:
        return _refusal(name, str(fault))
    except TimeoutError:
        return _refusal(name, f"{verb}: not confirmed within {ANSWER_S:.0f} s; look before you repeat it")
    return {"format": FORMAT, "id": name, "ok": True, **reply}


def _who_may(right: str | None, settings: "Settings") -> str:
    for group, role in settings.groups.items():
        rights = settings.rights.get(role, ())
        if right in rights or (right is None and rights):
            return f"ask a member of group {group}"
    return "no group has it; see [roles] in site.toml"


def parse_message(line: bytes) -> tuple[str, str, dict[str, Any]]:
    """(id, verb, data) of a message; ValueError says in words what is wrong with it."""
    try:
        told = json.loads(line, parse_constant=_no_constant)
        json.dumps(told, ensure_ascii=False).encode()  # a lone surrogate could be stored nowhere
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f"a message is an object with format {FORMAT}")
    name, verb, data = told.get("id"), told.get("verb"), told.get("data")
    if not isinstance(name, str) or len(name) > 64:
        raise ValueError("id must be a text of 64 characters at most")
    if not isinstance(verb, str) or not isinstance(data, dict):
        raise ValueError("verb must be a text and data an object")
    if not _is_shallow(data):  # what the ledger keeps must be readable by every later reader
        raise ValueError("nested too deeply")
    return name, verb, data


def _is_shallow(value: Any, room: int = 20) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return room > 0 and all(_is_shallow(one, room - 1) for one in inner)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _refusal(name: str, error: str) -> dict[str, Any]:
    return {"format": FORMAT, "id": name, "ok": False, "error": error}


async def _send(writer: asyncio.StreamWriter, reply: Mapping[str, Any]) -> None:
    writer.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
    await asyncio.wait_for(writer.drain(), ANSWER_S)


def ask(state: State, verb: str, data: Mapping[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask the daemon and return its answer; a refusal is an answer too: {"ok": False, "error": why}.

    Raises UserError when no daemon answers: then nothing was recorded, or it is not known, and the text says which.
    """
    name = os.urandom(4).hex()
    message = (
        json.dumps({"format": FORMAT, "id": name, "verb": verb, "data": data}, ensure_ascii=False).encode() + b"\n"
    )
    if len(message) > LINE_LIMIT:
        raise UserError(f"{verb}: a message may have {LINE_LIMIT} bytes at most, this one has {len(message)}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(os.fspath(state.socket))
        except OSError as fault:
            why = fault.strerror or str(fault)
            if isinstance(fault, PermissionError):
                raise UserError(f"{state.socket}: {why}; ask to become a member of its group") from fault
            raise UserError(
                f"{verb}: the daemon does not answer ({why}); nothing was recorded; start it with handwheel run"
            ) from fault
        try:
            link.sendall(message)
            answer = _read_line(link)
        except OSError as fault:
            raise UserError(
                f"{verb}: no answer from the daemon within {timeout_s:.0f} s; look whether it was recorded"
            ) from fault
    try:
        told = json.loads(answer)
    except ValueError as fault:
        raise UserError(f"{verb}: the daemon broke off without an answer; look whether it was recorded") from fault
    if not isinstance(told, dict) or told.get("id") not in (name, ""):
        raise UserError(f"{verb}: the daemon gave an answer to another question; look whether it was recorded")
    return told


def obtain(state: State, verb: str, data: Mapping[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask the daemon for something that it can refuse: then UserError in its words, as where it does not answer."""
    told = ask(state, verb, data, timeout_s)
    if not told.get("ok"):
        why = str(told.get("error", f"{verb}: refused"))
        raise UserError("\n".join(clean(line, 400) for line in why.splitlines()))
    return told


def _read_line(link: socket.socket) -> bytes:
    parts = bytearray()
    while b"\n" not in parts and len(parts) <= 16 * LINE_LIMIT:
        part = link.recv(LINE_LIMIT)
        if not part:
            break
        parts += part
    return bytes(parts)
