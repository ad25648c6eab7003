"""Vendor alerts by MQTT 3.1.1, through paho-mqtt: we subscribe, acknowledge and say good-bye, and send nothing else.

The session is kept by the broker under a fixed client id, so what is sent while we are away arrives later; a message is
acknowledged when it lies safely on our disk, and comes again if we die before. A broker that is down, refuses us or
floods us holds up nothing: connecting is tried for ever with back-off, each turn has its time, and of a message that is
too large only the beginning is kept while the rest runs through.
"""

import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from drivers.errors import UserError, WriteRefused
from drivers.secret import read_secret
from drivers.source import FeedSpec
from drivers.vendor.file_drop import LIMIT_BYTES

LOG = logging.getLogger("handwheel.mqtt")
KEEPALIVE_S: Final = 15  # also the patience with a broker that says nothing
CONNECT_S: Final = 5.0
BACKOFF_S: Final = (1.0, 60.0)
CATCH_UP_S: Final = (10.0, 2.0)  # after a connection, after a message that still belongs to what had waited
_CONNECT, _PUBLISH, _PUBACK, _SUBSCRIBE, _PINGREQ, _DISCONNECT = 0x10, 0x30, 0x40, 0x80, 0xC0, 0xE0
_MAY_LEAVE: Final = (_CONNECT, _PUBACK, _SUBSCRIBE, _PINGREQ, _DISCONNECT)
_WILL: Final = 0x04  # of the connect flags
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came. `size` is that of all of it, also where `payload` holds the beginning only [bytes]."""

    topic: str
    payload: bytes
    size: int
    again: bool  # the broker has kept it or sends it a second time
    may_have_waited: bool  # it may have come while we were away


class _Client(Client):
    """paho's client, which lets nothing out but what a listener needs, and does not fill the memory."""

    size = 0  # of the packet that was read last [bytes]

    def _packet_queue(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: Any = None
    ) -> MQTTErrorCode:
        kind = command & 0xF0
        if kind not in _MAY_LEAVE or (kind == _CONNECT and self._will):
            raise WriteRefused(f"MQTT packet of type {kind >> 4}: handwheel listens and publishes nothing, nor a will")
        return super()._packet_queue(command, packet, mid, qos, info)

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        assert self._ssl_context is not None
        secured = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            secured.settimeout(CONNECT_S)
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def _sock_recv(self, bufsize: int) -> bytes:
        packet = self._in_packet
        if not packet["have_remaining"]:
            return super()._sock_recv(bufsize)
        self.size = packet["remaining_length"]
        if self.size > LIMIT_BYTES + _CHUNK and packet["command"] & 0xF0 != _PUBLISH:
            raise ConnectionError(f"a packet of {self.size:,} bytes that is no message")
        while len(packet["packet"]) > LIMIT_BYTES and packet["to_process"] > 1:
            gone = super()._sock_recv(min(packet["to_process"] - 1, _CHUNK))
            if not gone:
                return gone
            packet["to_process"] -= len(gone)
        return super()._sock_recv(min(packet["to_process"], _CHUNK))


class Listener:
    """The subscription of one feed. `take` puts a message on the disk; OSError from it: not now, send it again."""

    def __init__(self, feed: FeedSpec, client_id: str, take: Callable[[Message], None]) -> None:
        self.feed, self._take, self._client_id = feed, take, client_id
        self._options = feed.options
        self.where = f"{self._options['host']}:{self._options['port']} {self._options['topic']}"
        self._password()  # a secret that cannot be read is told at the start
        self._client: _Client | None = None
        self._backoff_s, self._next_s, self._now_s = BACKOFF_S[0], 0.0, 0.0
        self._behind_until_s = 0.0  # until when a message may be one that had waited
        self._told, self._fault = "", ""

    def turn(self, now_s: float, clock: Callable[[], float], budget_s: float) -> bool:
        """Do what is to be done for at most `budget_s`, waiting included; false if there is no connection now.

        `clock` is monotonic, `now_s` its present value [s].
        """
        self._now_s, end_s = now_s, now_s + budget_s
        if self._client is None and now_s < self._next_s:
            return False
        try:
            if self._client is None:
                self._connect()
            while self._client is not None and (left_s := end_s - clock()) > 0:
                self._now_s = clock()
                code = self._client.loop(left_s)
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self.lose(self._fault or f"the connection is gone ({code.name.removeprefix('MQTT_ERR_').lower()})")
        except (OSError, ValueError, UserError, WriteRefused) as fault:  # ValueError: what paho says of rubbish
            self.lose(str(fault) or type(fault).__name__)
        return self._client is not None

    def close(self) -> None:
        """Say good-bye; the broker keeps the session, and what comes from now on."""
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _connect(self) -> None:
        client = self._client = _Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False, manual_ack=True,
        )  # fmt: skip
        client.connect_timeout = CONNECT_S
        client.on_connect, client.on_subscribe, client.on_message = self._connected, self._subscribed, self._heard
        if self._options.get("tls", True):
            context = ssl.create_default_context(cafile=self._options.get("ca_file"))
            client.tls_set_context(context)
        if self._options.get("user"):
            client.username_pw_set(self._options["user"], self._password())
        self._fault = ""
        client.connect(self._options["host"], self._options["port"], KEEPALIVE_S)

    def _password(self) -> str | None:
        if not self._options.get("user"):
            return None
        return read_secret(
            f"feed {self.feed.name}",
            file=self._options.get("password_file"), credential=self._options.get("password_credential"),
        )  # fmt: skip

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._fault = f"the broker refuses us: {reason}"
            return
        self._behind_until_s = self._now_s + CATCH_UP_S[0]
        client.subscribe(self._options["topic"], qos=1)

    def _subscribed(self, client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._fault = "the broker refuses the topic; mend its access list or [feed.mqtt] topic"
            client.disconnect()
        else:
            self._backoff_s = BACKOFF_S[0]
            self._tell(logging.INFO, "listening")

    def _heard(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        assert isinstance(client, _Client)
        payload, waited = bytes(message.payload), self._now_s < self._behind_until_s
        if waited:
            self._behind_until_s = max(self._behind_until_s, self._now_s + CATCH_UP_S[1])
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "a topic that is no UTF-8"
        again = message.retain or message.dup
        size = client.size if client.size > LIMIT_BYTES else len(payload)
        self._take(Message(topic, payload[:LIMIT_BYTES], size, again, waited or again))
        client.ack(message.mid, message.qos)

    def lose(self, why: str) -> None:
        """Let go of the connection; it is made anew after a pause."""
        if self._client is not None:
            client, self._client = self._client, None
            client._sock_close()
        self._next_s = self._now_s + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S[1])
        self._tell(logging.WARNING, f"no connection: {why}; tried again for ever")

    def _tell(self, level: int, words: str) -> None:
        if words != self._told:
            LOG.log(level, "%s: %s: %s", self.feed.name, self.where, words)
        self._told = words
