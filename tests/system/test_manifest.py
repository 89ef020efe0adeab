"""Which embedder is installed, told without a model runtime."""

import pytest

from appliance.errors import ModelError
from appliance.system.manifest import embedder_id, folder


def test_the_one_in_this_checkout():
    found = embedder_id(folder(""))
    assert found.startswith("sha256:")
    assert len(found) == 19


def test_it_is_what_vision_stamps_into_a_match():
    models = pytest.importorskip("appliance.vision.models")
    slot = models.Manifest.read(folder("") / "manifest.toml").slots["embedder"]
    assert embedder_id(folder("")) == f"sha256:{slot.sha256[:12]}"
    assert folder("") == models.models_dir()


@pytest.mark.parametrize("text", [None, "", "[embedder]\n", "[[embedder]]\n", "= 3", "embedder = 3\n"])
def test_a_manifest_that_names_none(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.toml").write_text(text)
    with pytest.raises(ModelError, match="make models"):
        embedder_id(folder(str(tmp_path)))
