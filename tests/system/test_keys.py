"""The device key on a real disk."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import KeyFileError, StoreError
from appliance.system.keys import DeviceKey, Sealer

SALT = bytes(range(16))


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def test_a_key_is_created_only_when_asked_and_then_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"device\.key does not exist; restore it"):
        DeviceKey.load(tmp_path)
    made = DeviceKey.load(tmp_path, create=True)
    assert DeviceKey.load(tmp_path).check_value() == made.check_value()
    assert DeviceKey.load(tmp_path, create=True).check_value() == made.check_value()
    assert os.listdir(tmp_path) == ["device.key"]
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o600


def test_in_a_shared_directory_the_group_may_read_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    DeviceKey.load(tmp_path, create=True)
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o640


def test_the_systemd_credential_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DeviceKey.load(tmp_path, create=True)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "device-key").write_bytes(b"c" * 32)
    (credentials / "device-key").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert DeviceKey.load(tmp_path).check_value() == DeviceKey(b"c" * 32).check_value()


@pytest.mark.parametrize("size", [0, 31, 33, 4096])
def test_a_key_of_the_wrong_size_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(b"k" * size)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="a device key has 32; restore it from its backup"):
        DeviceKey.load(tmp_path, create=True)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o700])
def test_a_key_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(b"k" * 32)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=rf"has mode {mode:04o}.*chmod 0640 {path}"):
        DeviceKey.load(tmp_path)


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.write_bytes(b"k" * 32)
    real.chmod(0o600)
    (tmp_path / "device.key").symlink_to(real)
    with pytest.raises(KeyFileError, match="cannot be read"):
        DeviceKey.load(tmp_path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be created: No such file"):
        DeviceKey.load(tmp_path / "nowhere", create=True)


def test_services_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from appliance.system.keys import DeviceKey;"
        "sys.stdin.read(1); print(DeviceKey.load(Path(sys.argv[1]), create=True).check_value().hex())"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    seen = {child.communicate("x")[0] for child in children}
    assert len(seen) == 1
    assert os.listdir(tmp_path) == ["device.key"]


def test_sealed_records_open_only_in_their_own_place() -> None:
    key = DeviceKey(b"k" * 32)
    sealed = key.seal(b"Ada", "name:1")
    assert key.unseal(sealed, "name:1") == b"Ada"
    assert b"Ada" not in sealed
    assert key.seal(b"Ada", "name:1") != sealed
    flipped = bytes([*sealed[:-1], sealed[-1] ^ 1])
    for wrong in (flipped, sealed[:5], b""):
        with pytest.raises(StoreError, match="name:1 does not open"):
            key.unseal(wrong, "name:1")
    with pytest.raises(StoreError, match="name:2"):
        key.unseal(sealed, "name:2")
    with pytest.raises(StoreError, match="another device key"):
        DeviceKey(b"x" * 32).unseal(sealed, "name:1")


def test_every_person_has_a_key_of_their_own() -> None:
    key = DeviceKey(b"k" * 32)
    wrapped, other = key.new_person_key("p"), key.new_person_key("p")
    sealed = key.person("p", wrapped).seal(b"face", "t")
    assert key.person("p", wrapped).unseal(sealed, "t") == b"face"
    with pytest.raises(StoreError):
        key.person("p", other).unseal(sealed, "t")
    with pytest.raises(StoreError, match="key:q"):
        key.person("q", wrapped)


def test_purposes_do_not_share_a_key() -> None:
    key = DeviceKey(b"k" * 32)
    subkeys = {key.subkey(purpose) for purpose in ("wrap", "seal", "pin", "check")}
    assert len(subkeys) == 4
    sealed = Sealer(key.subkey("wrap")).seal(b"x", "p")
    with pytest.raises(StoreError):
        key.unseal(sealed, "p")


def test_a_pin_digest_depends_on_pin_salt_and_key_and_takes_its_time() -> None:
    key = DeviceKey(b"k" * 32)
    began = time.perf_counter()
    digest = key.pin_digest("482913", SALT)
    assert time.perf_counter() - began > 0.005, "too cheap to slow a search"
    assert len(digest) == 32
    assert key.pin_digest("482913", SALT) == digest
    assert key.pin_digest("482914", SALT) != digest
    assert key.pin_digest("482913", bytes(16)) != digest
    assert DeviceKey(b"x" * 32).pin_digest("482913", SALT) != digest


def test_a_rotation_is_orthogonal_and_keeps_cosines() -> None:
    rotation = DeviceKey(b"k" * 32).rotation(SALT)
    assert rotation.shape == (160, 160)
    assert rotation.dtype == np.float32
    assert np.allclose(rotation @ rotation.T, np.eye(160), atol=1e-5)
    a, b = np.random.default_rng(1).normal(size=(2, 160)).astype(np.float32)
    assert (a @ rotation) @ (b @ rotation) == pytest.approx(a @ b, abs=1e-3)


def test_a_rotation_belongs_to_key_and_site() -> None:
    key = DeviceKey(b"k" * 32)
    mine = key.rotation(SALT)
    assert np.array_equal(mine, key.rotation(SALT))
    for other in (key.rotation(bytes(16)), DeviceKey(b"x" * 32).rotation(SALT)):
        assert abs(float(np.sum(mine * other))) < 80, "unrelated rotations agree in nearly nothing"


def test_a_rotation_never_changes_between_releases() -> None:
    """A stored template is unreadable if this matrix drifts."""
    rotation = DeviceKey(b"k" * 32).rotation(SALT)
    assert rotation[0, :3].tolist() == pytest.approx([0.1336042, -0.0113684, 0.0370091], abs=1e-5)
    assert rotation[159, 157:].tolist() == pytest.approx([-0.0517130, -0.0388443, 0.0109980], abs=1e-5)


def test_a_key_does_not_print() -> None:
    assert "kkkk" not in repr(DeviceKey(b"k" * 32))
