"""Sign a command for a door, as a host does. Needs Python 3.11 and `cryptography`; the file may be copied.

    python sign.py key host.pem host.pub                       make a key pair; host.pub goes to mqtt.commands_key
    python sign.py command host.pem north/front unlock NONCE alice
    python sign.py command host.pem north/front release NONCE alice bob
    python sign.py mode host.pem north lockdown 7 alice

It prints what to publish on `…/dn/cmd` (never retained) or on `lintel/1/SITE/_all/dn/mode` (retained). NONCE is the
`ch` that the door answered on `…/up/res` to `{"v":1,"op":"challenge","id":"any"}` on `…/dn/cmd` at most 30 s ago.
"""

import base64
import hashlib
import json
import os
import sys
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_key(private: Path, public: Path) -> None:
    """Write a new pair, the private half readable by its owner only. Raises FileExistsError."""
    key = Ed25519PrivateKey.generate()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(pem, form, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))


def load_key(private: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file."""
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{private} holds no Ed25519 key")
    return key


def sign(key: Ed25519PrivateKey, body: dict[str, object]) -> str:
    """The envelope round a body."""
    data = json.dumps(body, separators=(",", ":")).encode()
    kid = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]
    text = {"b": base64.b64encode(data).decode(), "k": kid, "sig": base64.b64encode(key.sign(data)).decode()}
    return json.dumps(text, separators=(",", ":"))


def command(door: str, op: str, nonce: str, by: str, by2: str | None = None, *, why: str = "") -> dict[str, object]:
    """The body of a command. `door` is SITE/DOOR; `op` unlock, lockdown or release; release needs two persons."""
    now = int(time.time())
    arg = {"why": why} if why else {}
    name = uuid.uuid4().hex
    return {
        "v": 1, "id": name, "op": op, "arg": arg, "aud": door, "iat": now, "exp": now + 60,
        "ch": nonce, "by": by, "by2": by2,
    }  # fmt: skip


def mode(site: str, wanted: str, seq: int, by: str, by2: str | None = None, *, why: str = "") -> dict[str, object]:
    """The body of the site's mode, `normal` or `lockdown`. `seq` must grow; normal needs two persons."""
    now = int(time.time())
    return {"v": 1, "mode": wanted, "seq": seq, "aud": site, "iat": now, "by": by, "by2": by2, "why": why}


def main(words: list[str]) -> int:
    """Run one of the commands above."""
    match words:
        case ["key", private, public]:
            make_key(Path(private), Path(public))
        case ["command", private, door, op, nonce, *people] if len(people) in (1, 2):
            print(sign(load_key(Path(private)), command(door, op, nonce, *people)))
        case ["mode", private, site, wanted, seq, *people] if len(people) in (1, 2):
            print(sign(load_key(Path(private)), mode(site, wanted, int(seq), *people)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
