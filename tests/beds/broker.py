"""A real mosquitto on loopback: TLS 1.3, a client certificate for each door, an ACL."""

import getpass
import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from appliance.settings import MqttConfig

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
SITE = "north"
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)")

# What a site's broker needs: each door writes and reads its own topics, the host reads all and writes down.
ACL = f"""\
user host
topic readwrite lintel/1/#
topic read homeassistant/#
pattern write lintel/1/{SITE}/%u/up/#
pattern read lintel/1/{SITE}/%u/dn/#
pattern read lintel/1/{SITE}/_all/dn/#
pattern write homeassistant/device/{SITE}/%u/config
"""


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "test site CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "ca.crt"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str, server: bool = False, expired: bool = False) -> tuple[Path, Path]:
        """Certificate and key files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
        builder = self._builder(subject, key, timedelta(minutes=-1) if expired else timedelta(days=2))
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        stem = self.folder / (common_name or "nameless")
        cert, key_file = stem.with_suffix(".crt"), stem.with_suffix(".key")
        cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert, key_file

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta = timedelta(days=2)
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + lifetime)
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Mosquitto:
    """The broker process. It can be killed, frozen and started again on the same port."""

    def __init__(self, folder: Path, acl: str = ACL, extra: str = "", tls: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self.authority = Authority(folder / "ca")
        self.log = folder / "mosquitto.log"
        self._tls = tls
        self._conf = folder / "mosquitto.conf"
        (folder / "data").mkdir()
        self.acl = folder / "acl"
        self.acl.write_text(acl)
        self._conf.write_text(self._lines() + extra)
        self.process: subprocess.Popen[bytes] | None = None

    def _lines(self) -> str:
        cert, key = self.authority.issue("localhost", server=True)
        secure = f"""\
cafile {self.authority.file}
certfile {cert}
keyfile {key}
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
allow_anonymous false
acl_file {self.acl}
"""
        # Started by root it would become `mosquitto`, who cannot read a test's folder.
        return f"""\
user {getpass.getuser()}
per_listener_settings false
listener {self.port} 127.0.0.1
persistence true
persistence_location {self.folder}/data/
autosave_interval 1
max_queued_messages 100000
log_dest file {self.log}
{secure if self._tls else "allow_anonymous true"}
"""

    def start(self) -> None:
        # A pipe shared with a broker that outlives a test would hang the runner.
        self.process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self._conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._listens, 10, "mosquitto listens")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"mosquitto ended: {self.log.read_text() if self.log.exists() else ''}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def signal(self, which: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(which)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(10)

    def config(self, door: str = "door-1", **changes: object) -> MqttConfig:
        """Settings of a door that this broker knows."""
        known: dict[str, object] = {"host": "localhost", "port": self.port, "keepalive_seconds": 5, "tls": self._tls}
        if self._tls:
            cert, key = self.authority.issue(door)
            known |= {"ca": str(self.authority.file), "cert": str(cert), "key": str(key)}
        return MqttConfig(**(known | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Heard:
    topic: str
    payload: bytes
    retain: bool
    qos: int
    at: float

    @property
    def body(self) -> dict[str, object]:
        body = json.loads(self.payload)
        assert isinstance(body, dict)
        return body


@dataclass
class Host:
    """The other side: a client with a persistent session that hears everything, reconnecting by itself."""

    mosquitto: Mosquitto
    name: str = "host"
    filters: tuple[str, ...] = ("lintel/1/#", "homeassistant/#")
    heard: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.name, protocol=paho.MQTTv5)
        config = self.mosquitto.config(self.name)
        if config.tls:
            self._client.tls_set(config.ca, config.cert, config.key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        keep = Properties(PacketTypes.CONNECT)
        keep.SessionExpiryInterval = 3600
        self._client.connect("localhost", self.mosquitto.port, 5, clean_start=False, properties=keep)
        self._client.loop_start()
        assert self._ready.wait(10), "the host could not subscribe"

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        if self.filters:
            client.subscribe([(topic, SubscribeOptions(qos=1, retainAsPublished=True)) for topic in self.filters])
        else:
            self._ready.set()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain, message.qos, time.monotonic()))

    def publish(self, topic: str, payload: bytes | str, retain: bool = False, qos: int = 1) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(10)

    def on(self, end: str) -> list[Heard]:
        return [heard for heard in list(self.heard) if heard.topic.endswith(end)]

    def events(self) -> list[Heard]:
        return [heard for heard in list(self.heard) if "/up/evt/" in heard.topic]

    def ids(self) -> set[object]:
        return {heard.body["id"] for heard in self.events()}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
