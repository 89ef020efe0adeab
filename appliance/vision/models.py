"""The models folder and the one TFLite runtime: the only file that imports either package."""

import ctypes
import hashlib
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from appliance.errors import ModelError

try:
    from ai_edge_litert.interpreter import Interpreter

    RUNTIME = "ai-edge-litert"
except ImportError:
    try:
        from tflite_runtime.interpreter import Interpreter

        RUNTIME = "tflite-runtime"
    except ImportError:
        Interpreter, RUNTIME = None, ""

Array = npt.NDArray[np.float32]

GOLDEN_COSINE = 0.999  # between a runtime's output and the golden one; measured: all above 0.99999
SLOT_KEYS = {"id", "file", "sha256", "bytes", "golden", "card", "licence", "licence_files", "conversion",
             "thresholds", "source", "input", "outputs"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the manifest says of one input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One model of the manifest. Its input is (pixel - subtract) / divide, NHWC, in `channels` order."""

    name: str
    id: str
    file: str
    sha256: str
    golden: str
    input: Tensor
    channels: str
    subtract: float
    divide: float
    outputs: tuple[Tensor, ...]
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Manifest:
    """models/manifest.toml: the slots by name."""

    slots: Mapping[str, Slot]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Parse the file; ModelError names the file, the key and the remedy."""
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}: reinstall, or run `make models`") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: not valid TOML ({error}): restore the file") from error
        return cls({name: _slot(path, name, table) for name, table in tables.items()})


class Model:
    """One interpreter, allocated once. Not for two threads at a time.

    The fast way writes pixels into `input` and calls `invoke`; `model(x)` copies in and out.
    """

    def __init__(self, slot: Slot, directory: Path, threads: int = 1) -> None:
        self.slot = slot
        self.runtime = runtime()
        path = directory / slot.file
        self._interpreter = _interpreter(path, _verified(path, slot), threads)
        found_input, *more = self._interpreter.get_input_details()
        found_outputs = self._interpreter.get_output_details()
        _check(path, "input", (slot.input,), [found_input, *more])
        _check(path, "output", slot.outputs, found_outputs)
        self.input: Array = self._view(found_input["index"])
        """Writable view, of shape `slot.input.shape`, of the input tensor: write before every invoke."""
        self._outputs = tuple(self._view(found["index"]) for found in found_outputs)

    def _view(self, index: int) -> Array:
        """A numpy view of a tensor's memory that does not block invoke().

        The runtime's own views must not be held over a call. The address stays put until tensors are
        allocated anew, which this class never does; the buffer keeps the interpreter alive.
        """
        view = self._interpreter.tensor(index)()
        buffer = (ctypes.c_float * view.size).from_address(view.ctypes.data)
        buffer.owner = self._interpreter
        return np.frombuffer(buffer, np.float32).reshape(view.shape)

    def invoke(self) -> tuple[Array, ...]:
        """Run on what `input` holds. Returns views of the outputs: they change with the next call."""
        self._interpreter.invoke()
        return self._outputs

    def __call__(self, x: Array) -> tuple[Array, ...]:
        """Run on x (broadcast to the input's shape). Returns copies, in the manifest's order."""
        self.input[...] = x
        return tuple(output.copy() for output in self.invoke())


def models_dir() -> Path:
    """The folder with manifest.toml: the checkout's, else the one installed beside the interpreter."""
    checkout = Path(__file__).resolve().parents[2] / "models"
    installed = Path(sys.prefix) / "share" / "lintel" / "models"
    for folder in (checkout, installed):
        if (folder / "manifest.toml").is_file():
            return folder
    raise ModelError(f"no models: neither {checkout} nor {installed} has a manifest.toml: reinstall lintel")


def load(slot_name: str, directory: Path | None = None, threads: int = 1) -> Model:
    """Load one model, checked against the manifest; ModelError if anything differs."""
    folder = directory or models_dir()
    slots = Manifest.read(folder / "manifest.toml").slots
    if slot_name not in slots:
        raise ModelError(f"{folder / 'manifest.toml'}: no slot [{slot_name}]: it has {', '.join(slots)}")
    return Model(slots[slot_name], folder, threads)


def runtime() -> str:
    """Name and version of the runtime in use, e.g. "ai-edge-litert 2.3.0"."""
    if not RUNTIME:
        raise ModelError("no TFLite runtime: pip install ai-edge-litert (or tflite-runtime on Python 3.11)")
    return f"{RUNTIME} {metadata.version(RUNTIME)}"


def golden_inputs(slot: Slot) -> dict[str, Array]:
    """Three synthetic pictures in the model's input range, the same on every machine and numpy.

    Computed, not drawn at random: waves, an integer hash as noise, and a face of ellipses.
    """
    _, height, width, _ = slot.input.shape
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    waves = 127.5 + 60 * np.sin(x * 0.11 + c) + 60 * np.cos(y * 0.07 - c)
    noise = ((x * 73 + y * 151 + c * 199) * 2654435761 % 4294967296) >> 24
    face = np.choose(c, (190, 150, 130)).astype(float)
    unit_y, unit_x = y / height, x / width
    face[(unit_x - 0.5) ** 2 / 0.07 + (unit_y - 0.5) ** 2 / 0.13 > 1] = 40
    for centre_x, centre_y, across, down in ((0.38, 0.4, 6, 3), (0.62, 0.4, 6, 3), (0.5, 0.7, 10, 2)):
        inside = ((unit_x - centre_x) * 100 / across) ** 2 + ((unit_y - centre_y) * 100 / down) ** 2 < 1
        face[inside] = 60
    pictures = {"waves": waves, "noise": noise, "face": face}
    return {name: _normalised(picture, slot) for name, picture in pictures.items()}


def golden_outputs(model: Model) -> dict[str, Array]:
    """What `model` makes of the golden inputs: per input and output every n-th value, at most 4,000."""
    found = {}
    for name, x in golden_inputs(model.slot).items():
        for tensor, output in zip(model.slot.outputs, model(x), strict=True):
            found[f"{name}.{tensor.name}"] = output.ravel()[:: -(-output.size // 4000)]
    return found


def golden_agreement(model: Model, directory: Path) -> float:
    """The lowest cosine between this runtime's outputs and the golden ones: >= GOLDEN_COSINE is sound."""
    path = directory / model.slot.golden
    try:
        with np.load(path) as stored:
            expected = dict(stored)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: no golden vectors ({error}): reinstall, or run `make models`") from error
    found = golden_outputs(model)
    if found.keys() != expected.keys():
        raise ModelError(f"{path}: golden vectors of other tensors: run `make models`")
    return min(_cosine(found[key], expected[key]) for key in expected)


def _cosine(a: Array, b: Array) -> float:
    if a.size == 1:  # a cosine of scalars says nothing: 1 at equality, 0.999 at 0.1 % apart
        return 1 - abs(float(a[0] - b[0])) / max(abs(float(b[0])), 1.0)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _normalised(picture: npt.NDArray[Any], slot: Slot) -> Array:
    pixels = np.clip(np.rint(picture), 0, 255)
    if slot.channels == "BGR":
        pixels = pixels[..., ::-1]
    normalised: Array = ((pixels - slot.subtract) / slot.divide).astype(np.float32)
    return normalised


def _slot(path: Path, name: str, table: Any) -> Slot:
    def fail(problem: str) -> ModelError:
        return ModelError(f"{path}: [{name}] {problem}: see the other slots, or restore the file")

    if not isinstance(table, dict):
        raise fail("is no table")
    if unknown := table.keys() - SLOT_KEYS:
        raise fail(f"unknown key {sorted(unknown)[0]}, known are {', '.join(sorted(SLOT_KEYS))}")
    try:
        entry = table["input"]
        return Slot(
            name=name,
            id=str(table["id"]),
            file=str(table["file"]),
            sha256=str(table["sha256"]),
            golden=str(table["golden"]),
            input=_tensor({"name": "input", **entry}),
            channels=str(entry["channels"]),
            subtract=float(entry["subtract"]),
            divide=float(entry["divide"]),
            outputs=tuple(_tensor(output) for output in table["outputs"]),
            thresholds={key: float(value) for key, value in table.get("thresholds", {}).items()},
        )
    except KeyError as error:
        raise fail(f"lacks the key {error.args[0]}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise fail(f"has a value of a wrong kind ({error})") from error


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in entry["shape"])
    if entry["dtype"] != "float32":
        raise ValueError(f"dtype {entry['dtype']}, only float32 tensors are supported")
    return Tensor(str(entry["name"]), shape, entry["dtype"])


def _verified(path: Path, slot: Slot) -> bytes:
    """The file's bytes, once their sha256 is the manifest's: what was checked is what runs."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}: reinstall, or run `make models`") from error
    found = hashlib.sha256(content).hexdigest()
    if found != slot.sha256:
        raise ModelError(
            f"{path}: sha256 is {found} ({len(content)} bytes), manifest.toml [{slot.name}] says"
            f" {slot.sha256}: restore the file, or run `make models`"
        )
    return content


def _interpreter(path: Path, content: bytes, threads: int) -> Any:
    runtime()
    try:
        with _quiet_stderr():
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: {RUNTIME} cannot load it ({error}): run `make models`") from error
    return interpreter


def _check(path: Path, what: str, wanted: tuple[Tensor, ...], found: list[dict[str, Any]]) -> None:
    expected = [(tensor.shape, tensor.dtype) for tensor in wanted]
    actual = [(tuple(map(int, details["shape"])), np.dtype(details["dtype"]).name) for details in found]
    if actual != expected:
        raise ModelError(f"{path}: {what} is {actual}, manifest.toml says {expected}: correct the slot")


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop the runtime's INFO lines, which C++ writes to file descriptor 2; pass on all others."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)
