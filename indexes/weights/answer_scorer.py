"""The trained answer scorer from its packed file and the packaged embedding model, whose word table it
shares, to one folder.

The file holds what training changed: matrices as 8-bit integers with one scale a row, everything
else as float32. Recipe, figures and licence stand beside it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.float32]

SCALE = ".scale"
LARGEST = 127


def unpack_onto(make_encoder: Callable[[Path], None]) -> Callable[[Path, Path], None]:
    """make_encoder: writes the embedding model into an empty folder."""

    def convert(source: Path, folder: Path) -> None:
        from safetensors.numpy import load_file, save_file

        make_encoder(folder)
        trained = unpack_tensors(load_file(source))
        shared = load_file(folder / "model.safetensors")
        weights = {f"encoder.{name}": tensor for name, tensor in shared.items()} | trained
        layers = 1 + max(_layer_of(name) for name in trained)
        weights = {name: tensor for name, tensor in weights.items() if _layer_of(name) < layers}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["num_hidden_layers"] = layers
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    return convert


def pack_tensors(tensors: dict[str, Tensor]) -> dict[str, NDArray[np.generic]]:
    """As they are shipped."""
    packed: dict[str, NDArray[np.generic]] = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 2 and min(tensor.shape) > 2:
            scale = np.maximum(np.abs(tensor).max(axis=1), 1e-12).astype(np.float32) / LARGEST
            packed[name] = np.rint(tensor / scale[:, None]).astype(np.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = tensor.astype(np.float32)
    return packed


def unpack_tensors(packed: dict[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    """As they are computed with."""
    return {
        name: tensor.astype(np.float32) * packed[name + SCALE].astype(np.float32)[:, None]
        if name + SCALE in packed
        else tensor.astype(np.float32)
        for name, tensor in packed.items()
        if not name.endswith(SCALE)
    }


def _layer_of(name: str) -> int:
    """Which layer a tensor belongs to; -1 if it belongs to none."""
    parts = name.split(".")
    return int(parts[parts.index("layer") + 1]) if "layer" in parts else -1
