"""TLS 1.3 with a client certificate, and what to do when it does not come about."""

import logging
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from appliance.errors import BrokerError
from appliance.settings import MqttConfig

log = logging.getLogger(__name__)


def context(config: MqttConfig) -> ssl.SSLContext:
    """TLS 1.3 or nothing, the broker's name checked, our certificate shown. Raises BrokerError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if config.ca:
            made.load_verify_locations(config.ca)
        else:
            made.load_default_certs()
    except OSError as error:  # ssl.SSLError is one
        raise BrokerError(f"mqtt.ca = {config.ca}: {_words(error)}; it must be a readable PEM file") from error
    if config.cert:
        try:
            # Without a password OpenSSL would ask on the terminal and wait for ever.
            made.load_cert_chain(config.cert, config.key, password=lambda: b"")
        except OSError as error:
            raise BrokerError(
                f"mqtt.cert = {config.cert}, mqtt.key = {config.key}: {_words(error)}; "
                "they must be a readable PEM pair that belongs together, the key without a password"
            ) from error
    return made


def certificate_name(path: Path) -> str:
    """The certificate's common name, which is the client id too. Raises BrokerError."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BrokerError(f"mqtt.cert = {path}: {_words(error)}; it must be a readable PEM certificate") from error
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        log.warning(
            "mqtt.cert = %s is valid from %s to %s and this machine's clock says %s; renew it or set the clock",
            path,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            now,
        )
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[0].value:
        raise BrokerError(f"mqtt.cert = {path} has no common name; issue one whose CN is this door's id")
    return str(names[0].value)


def password(path: str) -> str | None:
    """Content of the password file; None without one. Raises BrokerError."""
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise BrokerError(f"mqtt.password_file = {path}: {_words(error)}; it must be readable text") from error


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def explain(error: Exception, config: MqttConfig) -> str:
    """What went wrong before the broker could answer, and the remedy."""
    place = f"{config.host}:{config.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{place}: its certificate is not trusted: {error.verify_message}; set mqtt.ca to the CA that signed it, "
            "mqtt.host to a name that it bears, and this machine's clock"
        )
    for kind, what in _KINDS.items():
        if isinstance(error, kind):
            return f"{place}: {what.format(_words(error))}"
    return f"{place}: {_words(error)}; check the network, mqtt.host and mqtt.port"


def closed_early(config: MqttConfig) -> str:
    """Remedy when the broker hung up before it spoke, as it does on a TLS 1.3 certificate that it refuses."""
    if config.tls and config.cert:
        return f"the broker may not accept mqtt.cert = {config.cert}: it must bear the signature of a CA that it trusts"
    if config.tls:
        return "the broker may want a client certificate: set mqtt.cert and mqtt.key"
    return "the broker may want TLS on this port: set mqtt.tls = true"


# In the order in which they are asked for: some are kinds of others.
_KINDS: dict[type[Exception], str] = {
    ssl.SSLError: "TLS failed: {}; the broker must offer TLS 1.3 on this port",
    ConnectionResetError: "hung up at the greeting; the broker must offer TLS 1.3 on this port",
    socket.gaierror: "mqtt.host: {}; check the name and this machine's DNS",
    ConnectionRefusedError: "nobody listens there; start the broker or correct mqtt.host and mqtt.port",
    TimeoutError: "no answer; check the network, a firewall between, mqtt.host and mqtt.port",
}
