"""One MQTT 5 connection. The only file that imports paho.

Everything happens in the caller's thread: `turn` runs paho's loop for a moment and returns what
came of it. So no thread can die unseen while `is_connected()` stays true, and paho's callbacks,
which only append to a list, cannot harm the loop that calls them. A client object lives for one
connection; what it had queued dies with it, since the outbox is the `events` table.
"""

import logging
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from appliance.errors import BrokerError
from appliance.fleet import tls
from appliance.fleet.inbound import LARGEST_BYTES
from appliance.settings import MqttConfig

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
LARGEST_INCOMING_BYTES = 4 * LARGEST_BYTES
"""Told to the broker, which then drops larger packets itself; what lies between is dropped and reported here."""
REFUSED = 128
"""First reason code that means failure (MQTT 5, 2.4)."""
UNSPECIFIED = 128
"""What paho makes of a connection that just ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker's word on a publication of ours."""

    token: int
    code: int
    """MQTT 5 reason code; from 128 on it is a refusal."""
    reason: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody published to us."""

    topic: str
    payload: bytes
    retained: bool
    """As published, not only as stored: a retained command is known the first time it comes."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us once we are gone. Retained, QoS 1."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What this broker asked for in its CONNACK."""

    in_flight: int = 65535
    packet_bytes: int = 268_435_455


class Broker:
    """A connection to one broker, made anew by `connect`."""

    def __init__(self, config: MqttConfig, name: str) -> None:
        """`name` is the client id unless a client certificate says another."""
        self._config = config
        self._name = name
        self._client: paho.Client | None = None
        self._happened: list[Answer | Arrival] = []
        self._connack: ReasonCode | None = None
        self._lost: str | None = None
        self._broken = f"{self._place}: not connected"
        self._last_error = ""
        self.limits = Limits()

    def connect(self, will: Will, subscribe: tuple[str, ...]) -> None:
        """Connect, wait for the broker's word, subscribe. A clean start: stale commands must not wait for us.

        Raises BrokerError with the remedy.
        """
        self.close()
        self._happened, self._connack, self._lost = [], None, None
        self._last_error, self._broken = "", f"{self._place}: not connected"
        client = self._build(will)
        greeting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        greeting.MaximumPacketSize = LARGEST_INCOMING_BYTES
        keepalive = self._config.keepalive_seconds
        try:
            client.connect(
                self._config.host, self._config.port, keepalive=keepalive, clean_start=True, properties=greeting
            )
        except (OSError, ValueError) as error:
            raise BrokerError(tls.explain(error, self._config)) from error
        self._client = client
        self._await_connack()
        asked = [(topic, SubscribeOptions(qos=1, retainAsPublished=True)) for topic in subscribe]
        if asked:
            client.subscribe(asked)

    def turn(self, seconds: float) -> list[Answer | Arrival]:
        """Send and receive for at most so long; what happened since the last call. Raises BrokerError when lost."""
        if self._client is not None:
            code = self._client.loop(seconds)
            if self._lost is not None or code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                reason = self._lost or paho.error_string(code)
                detail = f" ({self._last_error})" if self._last_error else ""
                self._broken = f"{self._place}: connection lost: {reason}{detail}"
                self.close()
        # Acknowledgements that came before the loss still count.
        happened, self._happened = self._happened, []
        if self._client is None and not happened:
            raise BrokerError(self._broken)
        return happened

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool = False) -> int:
        """Returns the token that its `Answer` will carry; at QoS 0 none comes. Raises BrokerError when lost."""
        if self._client is None:
            raise BrokerError(self._broken)
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(f"{self._place}: publish on {topic}: {paho.error_string(info.rc)}")
        return info.mid

    def close(self) -> None:
        """Leave politely, so that no last will is spoken. Does nothing when not connected."""
        if self._client is not None:
            self._client.disconnect()
        self.abandon()

    def abandon(self) -> None:
        """Hang up without a word: the broker speaks our last will. Does nothing when not connected."""
        client, self._client = self._client, None
        link = client.socket() if client is not None else None
        if link is not None:
            link.close()

    @property
    def _place(self) -> str:
        return f"{self._config.host}:{self._config.port}"

    def _build(self, will: Will) -> paho.Client:
        client_id = tls.certificate_name(Path(self._config.cert)) if self._config.cert else self._name
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.max_inflight_messages = 0  # unlimited here: the outbox keeps the window
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        if self._config.tls:
            client.tls_set_context(tls.context(self._config))
        if self._config.username:
            client.username_pw_set(self._config.username, tls.password(self._config.password_file))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        client.on_socket_open = _send_at_once
        return client

    def _await_connack(self) -> None:
        deadline = time.monotonic() + CONNECT_SECONDS
        try:
            while self._connack is None:
                if time.monotonic() > deadline:
                    self.close()
                    raise BrokerError(f"{self._place}: no answer to CONNECT in {CONNECT_SECONDS:g} s; is it MQTT 5?")
                self.turn(0.1)
        except BrokerError as error:
            if self._connack is None:
                raise BrokerError(f"{error}; {tls.closed_early(self._config)}") from error
        answer = self._connack
        if answer is None or answer.value >= REFUSED:
            self.close()
            raise BrokerError(f"{self._place} refuses this door: {answer}; {_remedy(answer)}")

    # paho's callbacks. Each only notes what it was told.

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, given: Properties | None) -> None:
        # From the properties that a broker may leave out (MQTT 5, 3.2.2.3).
        self.limits = Limits(getattr(given, "ReceiveMaximum", 65535), getattr(given, "MaximumPacketSize", 268_435_455))
        self._connack = reason

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _given: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._lost = f"the broker says {reason}; {_remedy(reason)}"
        elif self._lost is None:
            silent = reason.value == UNSPECIFIED
            self._lost = (
                "it hung up without a word; a second client with this door's id does that" if silent else str(reason)
            )

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _given: Any) -> None:
        self._happened.append(Answer(mid, reason.value, str(reason)))

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._happened.append(Arrival(topic, bytes(message.payload), bool(message.retain)))

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: list[ReasonCode], _given: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.value >= REFUSED]
        if refused:
            log.error(
                "%s refuses our subscription (%s): commands will not arrive; let this door read its dn/# topics (ACL)",
                self._place,
                ", ".join(refused),
            )

    def _on_log(self, _client: Any, _data: Any, level: int, text: str) -> None:
        if level == paho.MQTT_LOG_ERR:
            self._last_error = text


def _send_at_once(_client: Any, _data: Any, link: Any) -> None:
    """Nagle's algorithm would hold a small packet back until the broker's system acknowledges the one before."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _remedy(answer: ReasonCode | None) -> str:
    code = answer.value if answer is not None else 0
    if code in (0x86, 0x87, 0x8C):  # bad user or password, not authorized, bad method
        return "check mqtt.cert, or mqtt.username and mqtt.password_file, and the broker's list of clients"
    if code == 0x85:
        return "the broker does not like the client id: it is the certificate's CN, or site and door"
    if code == 0x8E:
        return "another client has this door's id: each door needs a certificate (or a name) of its own"
    if code == 0x84:
        return "the broker must speak MQTT 5"
    return "see the broker's log"
