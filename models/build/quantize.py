"""Float TFLite -> TFLite with int8 weights and float activations: quantize.py SOURCE TARGET.

The result also loads in tflite-runtime 2.14.0.
"""

import sys
from pathlib import Path

from ai_edge_quantizer import quantizer, recipe


def main(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)  # the exporter does not overwrite
    model = quantizer.Quantizer(str(source))
    model.load_quantization_recipe(recipe.weight_only_wi8_afp32())
    model.quantize().export_model(str(target))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
