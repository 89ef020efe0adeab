"""The key that signs visitors' passes: Ed25519 (RFC 8032), made out of the device key and kept nowhere else."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.system.keys import DeviceKey

PURPOSE = "pass"


class PassKey:
    """Signs and verifies. The same device key always makes the same one."""

    def __init__(self, key: DeviceKey) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(key.subkey(PURPOSE))
        self._public = self._private.public_key()

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(data)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `sign` made it."""
        try:
            self._public.verify(signature, data)
        except InvalidSignature:
            return False
        return True
