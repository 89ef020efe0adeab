"""The connection itself: greetings, refusals, nonsense from the other side. docs/mqtt names the remedies."""

import random
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from beds.broker import Authority, Host, Mosquitto, needs_mosquitto, wait_for

from appliance.errors import BrokerError
from appliance.fleet.broker import Answer, Arrival, Broker, Will
from appliance.settings import MqttConfig

WILL = Will("lintel/1/north/door-1/up/conn", b"gone")


@contextmanager
def plain(tmp_path: Path, extra: str) -> Iterator[Mosquitto]:
    folder = tmp_path / "plain"
    folder.mkdir()
    broker = Mosquitto(folder, extra=extra, tls=False)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def gather(broker: Broker, count: int) -> list[Answer | Arrival]:
    found: list[Answer | Arrival] = []
    wait_for(lambda: found.extend(broker.turn(0.05)) or len(found) >= count, 5, f"{count} happenings")
    return found


@needs_mosquitto
def test_client_id_is_the_certificates_name_and_the_start_is_clean(mosquitto: Mosquitto, host: Host) -> None:
    broker = Broker(mosquitto.config("door-1"), "another-name")
    command = "lintel/1/north/door-1/dn/cmd"
    broker.connect(WILL, (command,))
    token = broker.publish("lintel/1/north/door-1/up/res", b"{}", qos=1)
    assert gather(broker, 1) == [Answer(token, 0, "Success")]
    assert "as door-1 (p5, c1, k5, u'door-1')" in mosquitto.log.read_text()
    broker.close()
    host.publish(command, "while it was away")
    broker.connect(WILL, (command,))
    host.publish(command, "while it was there")
    assert gather(broker, 1) == [Arrival(command, b"while it was there", retained=False)]
    broker.close()
    broker.close()
    with pytest.raises(BrokerError, match="not connected"):
        broker.turn(0)
    with pytest.raises(BrokerError):
        broker.publish("t", b"", 0)


@needs_mosquitto
def test_the_broker_drops_what_is_larger_than_we_take(mosquitto: Mosquitto, host: Host) -> None:
    command = "lintel/1/north/door-1/dn/cmd"
    broker = Broker(mosquitto.config(), "x")
    broker.connect(WILL, (command,))
    host.publish(command, b"x" * 100_000)
    host.publish(command, b"small")
    assert [a.payload for a in gather(broker, 1) if isinstance(a, Arrival)] == [b"small"]
    broker.close()


@needs_mosquitto
def test_user_and_password_without_tls(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    # mosquitto_passwd's PBKDF2 of "open sesame", made once: mosquitto -2.0 `$7$` format.
    passwords.write_text("door-1:" + pbkdf2("open sesame") + "\n")
    secret = tmp_path / "secret"
    with plain(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n") as mosquitto:
        config = {"username": "door-1", "password_file": str(secret)}
        secret.write_text("open sesame\n")
        broker = Broker(mosquitto.config(**config), "lintel-north-door-1")
        broker.connect(WILL, ())
        broker.close()
        secret.write_text("wrong")
        with pytest.raises(BrokerError, match=r"Not authorized; check .*mqtt.password_file"):
            broker.connect(WILL, ())
        with pytest.raises(BrokerError, match=r"password_file = .*none: No such file"):
            Broker(mosquitto.config(username="a", password_file=str(tmp_path / "none")), "x").connect(WILL, ())


def pbkdf2(password: str) -> str:
    """A line of mosquitto's password file, format 7: PBKDF2-HMAC-SHA512, 101 rounds."""
    import base64  # noqa: PLC0415
    import hashlib  # noqa: PLC0415

    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def test_a_second_client_with_this_id_is_named() -> None:
    """As MQTT 5 wants it said; mosquitto 2.0.11 hangs up without a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            link, _ = server.accept()
            link.recv(4096)
            link.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00")

        threading.Thread(target=serve, daemon=True).start()
        broker = Broker(MqttConfig(host="127.0.0.1", port=server.getsockname()[1], tls=False), "x")
        broker.connect(WILL, ())
        with pytest.raises(BrokerError, match=r"Session taken over; another client has this door's id"):
            gather(broker, 1)


@needs_mosquitto
def test_hanging_up_without_a_word_makes_the_broker_speak_the_will(mosquitto: Mosquitto, host: Host) -> None:
    broker = Broker(mosquitto.config(), "x")
    broker.connect(WILL, ())
    broker.abandon()
    wait_for(lambda: host.on("up/conn"), 5, "the will")
    assert host.on("up/conn")[0].payload == b"gone"


@needs_mosquitto
def test_a_broker_that_wants_a_certificate_says_so(mosquitto: Mosquitto) -> None:
    config = mosquitto.config(cert="", key="")
    with pytest.raises(BrokerError, match="may want a client certificate"):
        Broker(config, "x").connect(WILL, ())


@needs_mosquitto
def test_an_expired_certificate_is_said_beside_the_refusal(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = mosquitto.authority.issue("door-1", expired=True)
    with pytest.raises(BrokerError, match=r"may not accept mqtt\.cert"):
        Broker(replace(mosquitto.config("door-2"), cert=str(cert), key=str(key)), "x").connect(WILL, ())
    assert "renew it or set the clock" in caplog.text


@needs_mosquitto
def test_tls_against_a_plain_broker_and_the_other_way_round(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with pytest.raises(BrokerError, match=r"set mqtt.tls = true"):
        Broker(MqttConfig(host="localhost", port=mosquitto.port, tls=False), "x").connect(WILL, ())
    with plain(tmp_path, "") as unsafe, pytest.raises(BrokerError, match=r"must offer TLS 1\.3"):
        Broker(MqttConfig(host="localhost", port=unsafe.port), "x").connect(WILL, ())


def test_a_server_of_tls_1_2_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_cert_chain(*authority.issue("localhost", server=True))

    def serve() -> None:
        link, _ = server.accept()
        with closing(link), suppress(OSError):
            old.wrap_socket(link, server_side=True)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=serve, daemon=True).start()
        config = MqttConfig(host="localhost", port=server.getsockname()[1], ca=str(authority.file))
        with pytest.raises(BrokerError, match=r"the broker must offer TLS 1\.3"):
            Broker(config, "x").connect(WILL, ())


def test_nonsense_from_the_other_side_is_a_lost_connection() -> None:
    """A server that greets properly and then sends garbage, or garbage at once."""
    draw = random.Random(7)
    kinds = [0x20, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0, 0xE0, 0xF0, 0x3F]
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for _ in range(150):
                link, _ = server.accept()
                with closing(link):
                    link.recv(4096)
                    noise = bytes([draw.choice(kinds), draw.randrange(12)]) + draw.randbytes(draw.randrange(24))
                    link.sendall((b"\x20\x03\x00\x00\x00" if draw.random() < 0.8 else b"") + noise)

        threading.Thread(target=serve, daemon=True).start()
        for _ in range(150):
            broker = Broker(MqttConfig(host="127.0.0.1", port=port, tls=False), "x")
            with pytest.raises(BrokerError):
                talk(broker)
            broker.abandon()


def talk(broker: Broker) -> None:
    broker.connect(WILL, ("a", "b"))
    for _ in range(100):
        broker.publish("t", b"x", qos=1)
        broker.turn(0.01)
