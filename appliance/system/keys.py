"""The device key: where it lives, and what is done with it.

One secret of 32 bytes for the whole device. Everything else is derived from it, a subkey a
purpose (HKDF-SHA256, RFC 5869), so that no two uses ever share a key. People's records are
sealed under a key of their own, which is stored wrapped by the device key: destroying that
one row makes the rest unreadable.

The key fits one database. Lose it, and names, faces and PINs in that database are lost; this
is what makes a stolen database worthless.
"""

import os
import stat
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from appliance.errors import KeyFileError, StoreError
from appliance.facts import TEMPLATE_DIMENSIONS

KEY_BYTES = 32
NONCE_BYTES = 12
CREDENTIAL = "device-key"
FILE = "device.key"

PIN_MEMORY_KIB = 19 * 1024
PIN_PASSES = 2
PIN_LANES = 1
"""argon2id at OWASP's first recommended strength (Password Storage Cheat Sheet): 19 MiB, t=2, p=1."""


class Sealer:
    """AES-256-GCM under one key. A sealed record is a 12-byte random nonce, then ciphertext and tag."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, place: str) -> bytes:
        """Encrypt. `place` names the row it is for; it is authenticated, not stored."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what `seal` made for that same place. Raises StoreError: altered, moved, or another key."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise StoreError(
                f"the sealed record {place} does not open: it was altered, moved, or sealed with another "
                f"device key; restore the database and its device key from one backup"
            ) from None


class DeviceKey:
    """The 32-byte secret. It is never printed, and cannot be read back from here."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise KeyFileError(f"a device key has {KEY_BYTES} bytes, not {len(secret)}; restore it from its backup")
        self._secret = secret
        self._wrapper = Sealer(self.subkey("wrap"))
        self._sealer = Sealer(self.subkey("seal"))
        self._rotations: dict[bytes, NDArray[np.float32]] = {}

    @classmethod
    def load(cls, state: Path, create: bool = False) -> "DeviceKey":
        """The systemd credential `device-key` if the service has one, else `<state>/device.key`.

        `create` makes the file when there is neither. Raises KeyFileError: missing, of the
        wrong size, or open to others.
        """
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        credential = Path(directory, CREDENTIAL) if directory else None
        if credential is not None and credential.exists():
            return cls(_read(credential))
        path = state / FILE
        if create and not path.exists():
            _create(path)
        return cls(_read(path))

    def subkey(self, purpose: str) -> bytes:
        """32 bytes for one purpose; different purposes tell nothing of each other."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"lintel/1/{purpose}".encode()).derive(
            self._secret
        )

    def check_value(self) -> bytes:
        """32 bytes that tell whether this key is the one a database was made with, and nothing else."""
        return self.subkey("check")

    def seal(self, plaintext: bytes, place: str) -> bytes:
        """Seal something that belongs to no person."""
        return self._sealer.seal(plaintext, place)

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Undo `seal`. Raises StoreError."""
        return self._sealer.unseal(sealed, place)

    def new_person_key(self, pid: str) -> bytes:
        """A fresh random key for one person, wrapped: store it, and destroy it to erase the person."""
        return self._wrapper.seal(os.urandom(KEY_BYTES), f"key:{pid}")

    def person(self, pid: str, wrapped: bytes) -> Sealer:
        """What seals and unseals that person's records. Raises StoreError."""
        return Sealer(self._wrapper.unseal(wrapped, f"key:{pid}"))

    def pin_digest(self, digits: str, salt: bytes) -> bytes:
        """argon2id(PIN, salt, secret = a subkey), 32 bytes. About 50 ms: never in the door's loop."""
        return Argon2id(
            salt=salt,
            length=32,
            iterations=PIN_PASSES,
            lanes=PIN_LANES,
            memory_cost=PIN_MEMORY_KIB,
            secret=self.subkey("pin"),
        ).derive(digits.encode())

    def card_digest(self, text: str) -> bytes:
        """HMAC-SHA256 of a card's number under a subkey, 32 bytes. Without the key 26 bits would be guessed at once."""
        mac = HMAC(self.subkey("card"), SHA256())
        mac.update(text.encode())
        return mac.finalize()

    def rotation(self, site: bytes) -> NDArray[np.float32]:
        """(160, 160) float32 orthogonal matrix, the same for the same key and site salt.

        Templates are stored multiplied by it: cosines stay, but two sites' templates cannot be
        compared, and a new salt revokes what leaked. Enough known pairs recover it; secrecy
        comes from the seal.
        """
        if site not in self._rotations:
            self._rotations[site] = self._new_rotation(site)
        return self._rotations[site]

    def _new_rotation(self, site: bytes) -> NDArray[np.float32]:
        normals = _normals(self.subkey(f"rotation:{site.hex()}"), TEMPLATE_DIMENSIONS**2)
        q, r = np.linalg.qr(normals.reshape(TEMPLATE_DIMENSIONS, TEMPLATE_DIMENSIONS))
        # Signs fixed so that the matrix is uniform over rotations and reflections (Mezzadri 2007).
        rotation = np.ascontiguousarray(q * np.sign(np.diag(r)), dtype=np.float32)
        rotation.flags.writeable = False
        return rotation


def _normals(key: bytes, count: int) -> NDArray[np.float64]:
    """Normal deviates out of ChaCha20, by Box and Muller: NumPy's own streams may change between releases."""
    keystream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(8 * (count + 1)))
    uniform = (np.frombuffer(keystream, dtype="<u8") >> 11).astype(np.float64) / 2**53
    half = (count + 1) // 2
    radius = np.sqrt(-2 * np.log1p(-uniform[:half]))
    angle = 2 * np.pi * uniform[half : 2 * half]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyFileError(
            f"{path} does not exist; restore it from its backup (docs/store.md says how a sealed key is used)"
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}; run as a user of group lintel") from None
    with open(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        # 0400 and 0440 are what systemd gives a credential, 0600 and 0640 what _create gives the file.
        if mode & ~0o640:
            raise KeyFileError(f"{path} has mode {mode:04o}, which lets others at it; run: chmod 0640 {path}")
        secret = file.read(KEY_BYTES + 1)
    if len(secret) != KEY_BYTES:
        size = f"{len(secret)} bytes" if len(secret) <= KEY_BYTES else f"more than {KEY_BYTES} bytes"
        raise KeyFileError(f"{path} has {size}, a device key has {KEY_BYTES}; restore it from its backup")
    return secret


def _create(path: Path) -> None:
    """Write a new key beside `path`, then link it there: never half a key, and one winner among three services."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        parent = os.stat(path.parent)
        # A set-group-id directory is how the three services' users share the state.
        mode = 0o640 if parent.st_mode & stat.S_ISGID else 0o600
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(handle, mode)
            os.write(handle, os.urandom(KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(scratch, path)
        except FileExistsError:
            return
        finally:
            os.unlink(scratch)
        _sync_directory(path.parent)
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be created: {error.strerror}; make {path.parent} a directory that group lintel may write"
        ) from None


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
