"""The command socket: roles come from the kernel, not from the message; bad, slow and many clients harm nobody."""

import asyncio
import grp
import json
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UserError
from monitor.command_socket import CLIENTS, LINE_LIMIT, VERBS, _to_let_go, ask, caller_of, parse_message, serve
from monitor.plant import RIGHTS
from monitor.state import State
from tests.monitor.plants import plant

GOLDEN = [
    json.loads(line) for line in (Path(__file__).parents[1] / "golden/socket_messages.jsonl").read_text().splitlines()
]
MINE = grp.getgrgid(os.getgid()).gr_name
RIGHTS_OF = {
    "operator": ("acknowledge", "decide", "finding"),
    "shift_lead": ("acknowledge", "decide", "finding", "confirm_baseline", "sign"),
}
OPERATOR = {"groups": {MINE: "operator"}, "rights": RIGHTS_OF}
STRANGER = {"groups": {"hw-operators": "operator", "hw-shift": "shift_lead"}, "rights": RIGHTS_OF}


@pytest.fixture
def state(tmp_path_factory) -> State:
    return State(tmp_path_factory.mktemp("s") / "state").make()


async def answered(request):
    return {"n": 13, "head": "Q3MD-77AK-VZ2H-PO6A", "seen": [request.verb, dict(request.data), request.role]}


async def put(state: State, *messages: bytes) -> list[dict]:
    """Send bytes on one connection and return the answers there are until it is closed or one came for each."""
    reader, writer = await asyncio.open_unix_connection(str(state.socket), limit=2**20)
    with closing(writer):
        replies = []
        for message in messages:
            writer.write(message)
            line = await asyncio.wait_for(reader.readline(), 30)
            if not line:
                break
            replies.append(json.loads(line))
        return replies


def line(message: dict) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def test_the_golden_messages_get_the_golden_answers(state):
    questions = [message for message in GOLDEN if "verb" in message]
    answers = {message["id"]: message for message in GOLDEN if "ok" in message}
    async with serve(state, plant(**OPERATOR), answered):
        replies = {reply["id"]: reply for reply in await put(state, *map(line, questions))}
    assert replies["7d1"] == answers["7d1"] | {"seen": ["decide", questions[0]["data"], "operator"]}
    assert replies["7d5"] == answers["7d5"]
    assert replies["7d3"]["ok"]
    assert replies["7d4"]["error"].startswith("sign_audit: role operator has no right to sign")
    async with serve(state, plant(**STRANGER), answered):
        (reply,) = await put(state, line(questions[1]))
    assert reply == answers["7d2"]


async def test_a_role_in_the_message_changes_nothing(state):
    message = {"format": 1, "id": "1", "verb": "decide", "role": "administrator", "data": {"role": "administrator"}}
    async with serve(state, plant(**STRANGER), answered):
        (reply,) = await put(state, line(message))
    assert not reply["ok"]
    assert "role viewer has no right to decide" in reply["error"]


async def test_each_message_is_told_whether_it_was_let_in_and_nothing_of_what_it_said(state):
    seen = []
    messages = (b'{"secret":\n', line({"format": 1, "id": "1", "verb": "whoami", "data": {}}),
                line({"format": 1, "id": "2", "verb": "secret", "data": {}}),
                line({"format": 1, "id": "3", "verb": "decide", "data": {"secret": 1}}),
                line({"format": 1, "id": "4", "verb": "sign_audit", "data": {}}),
                b"x" * (LINE_LIMIT + 1) + b"\n")  # fmt: skip
    async with serve(state, plant(**OPERATOR), answered, lambda *what: seen.append(what)):
        await put(state, *messages)
    uid = os.getuid()
    assert seen == [
        (uid, "", False, "operator", "not understood"), (uid, "whoami", True, "operator", ""),
        (uid, "", False, "operator", "unknown verb"), (uid, "decide", True, "operator", ""),
        (uid, "sign_audit", False, "operator", "no right to sign"), (uid, "", False, "", "too long"),
    ]  # fmt: skip


async def test_rights_that_are_exchanged_hold_from_the_next_message_on(state):
    message = line({"format": 1, "id": "1", "verb": "decide", "data": {}})
    async with serve(state, plant(**OPERATOR), answered) as door:
        reader, writer = await asyncio.open_unix_connection(str(state.socket))
        with closing(writer):
            answers = []
            for settings in (plant(**OPERATOR), plant(**STRANGER)):
                door.settings = settings
                writer.write(message)
                answers.append(json.loads(await asyncio.wait_for(reader.readline(), 30))["ok"])
    assert answers == [True, False]


async def test_the_client_gets_the_answer_and_a_refusal_in_words(state):
    async def refuse(request):
        raise UserError("decide: alert A-1 is unknown; look at the list")

    async with serve(state, plant(**OPERATOR), refuse):
        told = await asyncio.to_thread(ask, state, "decide", {"alert_id": "A-1"}, 30)
        who = await asyncio.to_thread(ask, state, "whoami", {}, 30)
    assert (told["ok"], told["error"]) == (False, "decide: alert A-1 is unknown; look at the list")
    assert (who["role"], who["rights"]) == ("operator", ["acknowledge", "decide", "finding"])
    assert not state.socket.exists()


def test_while_the_daemon_is_dead_the_client_says_so_and_that_nothing_was_recorded(state):
    with pytest.raises(UserError, match="nothing was recorded; start it with handwheel run"):
        ask(state, "decide", {})
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(state.socket))
    with pytest.raises(UserError, match="nothing was recorded"):
        ask(state, "decide", {})


def test_a_daemon_that_does_not_answer_is_told_within_the_time(state):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(state.socket))
        deaf.listen()
        with pytest.raises(UserError, match="no answer from the daemon within 0 s; look whether"):
            ask(state, "decide", {}, timeout_s=0.1)


def test_a_message_that_is_too_long_is_not_even_sent(state):
    with pytest.raises(UserError, match="65536 bytes at most"):
        ask(state, "decide", {"reason": "x" * LINE_LIMIT})


async def test_a_socket_left_behind_by_a_killed_daemon_is_replaced(state):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(state.socket))
    async with serve(state, plant(**OPERATOR), answered):
        assert (await put(state, line({"format": 1, "id": "1", "verb": "whoami", "data": {}})))[0]["ok"]
        assert state.socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"hello\n", "not understood"),
        (b"\xff\xfe\n", "not understood"),
        (b"[]\n", "an object with format 1"),
        (b'{"format":2,"id":"1","verb":"whoami","data":{}}\n', "an object with format 1"),
        (b'{"format":1,"id":7,"verb":"whoami","data":{}}\n', "id must be a text"),
        (b'{"format":1,"id":"1","verb":"whoami","data":[]}\n', "data an object"),
        (b'{"format":1,"id":"1","verb":"decide","data":{"x":NaN}}\n', "NaN is not a number"),
        (b'{"format":1,"id":"1","verb":"decide","data":{"x":"\\ud800"}}\n', "not understood"),
        (b"[" * 30_000 + b"\n", "nested too deeply"),
        (b'{"format":1,"id":"1","verb":"open_valve","data":{}}\n', "open_valve is unknown; known: whoami"),
    ],
)
async def test_what_is_not_understood_is_said_and_the_conversation_goes_on(state, message, words):
    async with serve(state, plant(**OPERATOR), answered):
        bad, good = await put(state, message, line({"format": 1, "id": "2", "verb": "whoami", "data": {}}))
    assert not bad["ok"]
    assert words in bad["error"]
    assert good["ok"]


async def test_a_line_beyond_the_limit_is_refused_and_the_client_let_go(state):
    async with serve(state, plant(**OPERATOR), answered):
        replies = await put(state, b"x" * (LINE_LIMIT + 10) + b"\n")
        assert "65536 bytes at most" in replies[0]["error"]
        assert (await put(state, line({"format": 1, "id": "2", "verb": "whoami", "data": {}})))[0]["ok"]


async def test_many_clients_and_silent_ones_do_not_keep_the_others_out(state):
    async with serve(state, plant(**OPERATOR), answered):
        silent = [await asyncio.open_unix_connection(str(state.socket)) for _ in range(CLIENTS - 10)]
        silent[0][1].write(b'{"format":1,')
        asked = [asyncio.to_thread(ask, state, "decide", {"number": number}, 60) for number in range(30)]
        told = await asyncio.gather(*asked)
        assert all(reply["ok"] or "clients are connected already" in reply["error"] for reply in told)
        assert any(reply["ok"] for reply in told)
        more = [await asyncio.open_unix_connection(str(state.socket)) for _ in range(20)]
        refused = json.loads(await asyncio.wait_for(more[-1][0].readline(), 30))
        assert "clients are connected already; try again" in refused["error"]
        for _, writer in silent + more:
            writer.close()


def test_a_user_who_holds_most_connections_makes_room_for_others_and_for_nobody_of_his_own():
    users = dict(enumerate([7] + [1] * 40 + [2] * 23)) | {64: 7}
    assert _to_let_go(users, 7) == 1
    assert _to_let_go(users | {65: 2}, 2) == 1
    assert _to_let_go(users, 1) is None


async def test_the_server_stops_while_clients_are_connected(state):
    async with serve(state, plant(**OPERATOR), answered):
        reader, writer = await asyncio.open_unix_connection(str(state.socket))
        await put(state, line({"format": 1, "id": "2", "verb": "whoami", "data": {}}))
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


def test_without_any_mapped_group_the_user_of_the_daemon_has_all_rights_and_nobody_else():
    me = caller_of(os.geteuid(), os.getgid(), {}, {})
    assert (me.role, me.rights) == ("administrator", RIGHTS)
    assert caller_of(os.geteuid(), os.getgid(), {}, {"administrator": ("decide",)}).rights == ("decide",)
    assert caller_of(os.geteuid() + 12_345, 54_321, {}, {}).role == "viewer"


def test_as_soon_as_a_group_is_mapped_root_and_the_daemon_are_viewers_like_everybody():
    me = caller_of(os.geteuid(), os.getgid(), {"hw-operators": "operator"}, RIGHTS_OF)
    assert (me.role, me.rights) == ("viewer", ())


def test_a_person_in_two_groups_acts_in_the_highest_role_that_has_the_right():
    rights = {"operator": ("acknowledge", "decide"), "maintenance": ("finding",)}
    me = caller_of(os.geteuid(), os.getgid(), {MINE: "operator"}, rights)
    assert me.role_for("decide") == "operator"
    other = type(me)(1, {"operator": rights["operator"], "maintenance": rights["maintenance"]})
    assert other.role == "maintenance"
    assert other.role_for("decide") == "operator"
    assert other.role_for("sign") is None
    assert other.rights == ("acknowledge", "decide", "finding")


def test_every_verb_needs_a_right_that_there_is():
    assert {right for right in VERBS.values() if right} <= set(RIGHTS)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_reason_in_words(blob):
    try:
        name, verb, data = parse_message(blob)
    except ValueError as fault:
        assert str(fault)
    else:
        assert isinstance(name, str) and isinstance(verb, str) and isinstance(data, dict)


def test_a_message_nested_deeper_than_every_later_reader_can_follow_is_refused():
    deep = json.loads('{"a":' * 100 + "1" + "}" * 100)
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_message(line({"format": 1, "id": "1", "verb": "freeze", "data": deep}))
