"""Which backend runs a model: the one that made the vectors that are there, or the fastest one for
this processor.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from indexes.artifacts import Report
from indexes.embedder import onnx_int8, openvino_cpu, pytorch
from indexes.embedder.conversion import may_be_converted, read_facts
from indexes.embedder.folders import ModelFolder
from indexes.embedder.processor import has_int8_instructions
from indexes.embedder.sentences import Backend, ModelFacts

BackendName = Literal["openvino", "openvino-float32", "onnx", "torch"]

RECIPES: Mapping[BackendName, str] = {
    "openvino": openvino_cpu.RECIPES["int8"],
    "openvino-float32": openvino_cpu.RECIPES["float32"],
    "onnx": onnx_int8.RECIPE,
    "torch": pytorch.RECIPE,
}


def choose_backend(
    model: ModelFolder, cache: Path, fits: Callable[[ModelFacts], bool] | None
) -> BackendName:
    """fits: whether vectors of a model with these facts are comparable with those that are there."""
    fastest = _fastest(model, cache)
    if fits is None:
        return fastest
    facts = _facts(model, cache)
    for name, recipe in RECIPES.items():
        if fits(replace(facts, identity=model.identity_with(recipe))):
            return name
    return fastest


def load_backend(
    name: BackendName, model: ModelFolder, cache: Path, threads: int, report: Report
) -> Backend:
    """The model, ready to run; converted first if that was not done yet. Raises BadConfiguration."""
    if name == "torch":
        return pytorch.load(model, threads)
    if name == "onnx":
        return onnx_int8.load(model, cache, threads, report)
    precision: openvino_cpu.Precision = "int8" if name == "openvino" else "float32"
    return openvino_cpu.load(model, cache, threads, report, precision=precision)


def _fastest(model: ModelFolder, cache: Path) -> BackendName:
    precision: openvino_cpu.Precision = "int8" if has_int8_instructions() else "float32"
    converted = openvino_cpu.folder_of(model, cache, precision).is_dir()
    if not converted and not may_be_converted(model.path):
        return "torch"
    return "openvino" if precision == "int8" else "openvino-float32"


def _facts(model: ModelFolder, cache: Path) -> ModelFacts:
    """What every backend knows of the model: from a converted one that is there, or from the
    original.
    """
    for folder in (
        onnx_int8.folder_of(model, cache),
        *(openvino_cpu.folder_of(model, cache, precision) for precision in openvino_cpu.RECIPES),
    ):
        try:
            return read_facts(folder)
        except (OSError, ValueError, TypeError):  # not there, or damaged: loading makes it again
            continue
    return pytorch.facts_of(pytorch.load_model(model.path, device="cpu"), model.identity)
