"""From a model as it was published to the graph that OpenVINO runs. Takes PyTorch and, for 8 bits,
the quantiser; running the graph takes neither.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rich
from numpy.typing import NDArray

from indexes.embedder.conversion import (
    INPUTS,
    Original,
    TokenIds,
    check_survived,
    load_original,
    write_companions,
)
from indexes.embedder.folders import ModelFolder
from indexes.embedder.openvino_cpu import GRAPH, RECIPES, OpenVinoBackend, Precision
from indexes.embedder.openvino_import import import_openvino, import_quantiser
from indexes.embedder.pytorch import silence
from indexes.embedder.sentences import prefixes_of

CALIBRATION = Path(__file__).with_name("calibration.json")
"""Passages and questions of many kinds and languages, ours. What activations they cause sets the
scales of the 8-bit numbers. Another text is another recipe.
"""


def convert(folder: ModelFolder, empty: Path, precision: Precision) -> None:
    """Writes the graph and what stands beside it.

    Raises BadConfiguration if the model is of another kind, or does not survive quantising.
    """
    original = load_original(folder, RECIPES[precision])
    write_companions(original, empty)
    ov = import_openvino()
    with without_noise():
        traced = _trace(ov, original)
        quantised = (
            _quantise(traced, original, folder.name)
            if precision == "int8"
            else compress_word_embeddings(traced)
        )
        ov.save_model(quantised, empty / GRAPH, compress_to_fp16=False)
    check_survived(OpenVinoBackend(empty, threads=1).vectors, original.vectors, folder.name)


def _trace(ov: Any, original: Original) -> Any:
    any_shape = ov.PartialShape([-1, -1])
    return ov.convert_model(
        original.graph(),
        example_input=original.sample_inputs(),
        input=[(name, any_shape, ov.Type.i64) for name in INPUTS],
    )


def _quantise(graph: Any, original: Original, name: str) -> Any:
    """Weights and activations become 8-bit numbers with fixed scales.

    Smooth quantisation (Xiao et al., arXiv 2211.10438) moves what sticks out of the activations
    into the weights first: without it, single dimensions of these models cost all others their
    precision.
    """
    nncf = import_quantiser()
    inputs = _calibration_inputs(original, name)
    return nncf.quantize(
        graph,
        nncf.Dataset(inputs),
        subset_size=len(inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
    )


def compress_word_embeddings(graph: Any) -> Any:
    """The vectors of words, most of what a small model weighs, as 8-bit numbers, each word with a
    scale of its own.
    """
    nncf = import_quantiser()
    return nncf.compress_weights(
        graph,
        mode=nncf.CompressWeightsMode.INT8_ASYM,
        ignored_scope=nncf.IgnoredScope(types=["MatMul"], validate=False),
    )


def _calibration_inputs(original: Original, name: str) -> list[dict[str, NDArray[np.int64]]]:
    """Every text with the prefix that its kind is embedded with."""
    texts: dict[str, list[str]] = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    query, passage = prefixes_of(name, original.facts)
    ids = TokenIds(original.tokenizer, original.facts.max_length)
    prefixed = [passage + text for text in texts["passages"]]
    prefixed += [query + text for text in texts["questions"]]
    return [
        {"input_ids": found, "attention_mask": np.ones_like(found)}
        for found in map(ids.of, prefixed)
    ]


@contextmanager
def without_noise() -> Iterator[None]:
    """Keeps back remarks on branches that the inputs do not decide, and progress bars on standard
    output, where commands print their results.
    """
    console = rich.get_console()
    quiet = console.quiet
    console.quiet = True
    try:
        with warnings.catch_warnings(), silence("transformers", "nncf"):
            warnings.simplefilter("ignore")
            yield
    finally:
        console.quiet = quiet
