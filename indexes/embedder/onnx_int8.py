"""Models of the BERT family run by ONNX Runtime with 8-bit weights in blocks: what catalogs made
before OpenVINO was the default hold the vectors of.

The model is exported and quantised once, into a folder beside the models. Every text is computed
alone: 8-bit kernels may round differently for other batch shapes, and a batch only makes them
slower.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexes.artifacts import Report, make_once
from indexes.embedder.conversion import (
    INPUTS,
    TOKENIZER,
    Original,
    TokenIds,
    check_survived,
    load_original,
    read_facts,
    write_companions,
)
from indexes.embedder.folders import ModelFolder

RECIPE = "onnx int8 1: MatMul in blocks of 128 with int8 activations per block, Gather per channel"
"""Part of the fingerprint: vectors of different recipes must not share an index."""


class OnnxBackend:
    batch_size = 1

    def __init__(self, folder: Path, threads: int) -> None:
        self.facts = read_facts(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._ids = TokenIds(self.tokenizer, self.facts.max_length)
        self._session = _session(folder / "model.onnx", threads)

    def vectors(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float32]:
        return np.concatenate([self._vector(text) for text in texts])

    def _vector(self, text: str) -> NDArray[np.float32]:
        """Shape (1, dimension)."""
        ids = self._ids.of(text)
        (found,) = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        vector: NDArray[np.float32] = found
        return vector


def folder_of(folder: ModelFolder, cache: Path) -> Path:
    """Where the converted model is, or will be."""
    return cache / f"onnx-int8-{folder.identity[:16]}"


def load(folder: ModelFolder, cache: Path, threads: int, report: Report) -> OnnxBackend:
    """The model, ready to run on that many threads; exported first if that was not done yet (half a
    minute).

    Raises BadConfiguration when the model is of a kind that cannot be exported, or does not survive
    it.
    """

    def make(empty: Path) -> None:
        report(f"Converting {folder.name} for ONNX Runtime; this is done once.")
        _export(folder, empty, threads)

    made_from = {"model": folder.name, "identity": folder.identity, "recipe": RECIPE}
    exported = make_once(folder_of(folder, cache), made_from, make, report)
    return OnnxBackend(exported, threads)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # idle threads leave the cores to others
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _export(folder: ModelFolder, empty: Path, threads: int) -> None:
    # the original is out of memory when this returns: quantising takes a lot
    expected = _write_float32(folder, empty)
    _quantise(empty / "float32.onnx", empty / "model.onnx")
    (empty / "float32.onnx").unlink()
    check_survived(OnnxBackend(empty, threads).vectors, expected, folder.name)


def _write_float32(folder: ModelFolder, empty: Path) -> NDArray[np.float64]:
    """Writes the traced model and what stands beside it.

    Returns the original's unit vectors of the samples.
    """
    original = load_original(folder, RECIPE)
    write_companions(original, empty)
    _trace(original, empty / "float32.onnx")
    return original.vectors


def _trace(original: Original, path: Path) -> None:
    import torch

    inputs = original.sample_inputs()
    shape = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        # of the tracer, on branches that the inputs here do not decide
        warnings.simplefilter("ignore")
        torch.onnx.export(
            original.graph(),
            tuple(inputs[name] for name in INPUTS),
            str(path),
            input_names=list(INPUTS),
            output_names=["vectors"],
            dynamic_axes={"input_ids": shape, "attention_mask": shape, "vectors": {0: "texts"}},
            opset_version=17,
            dynamo=False,
        )


def _quantise(source: Path, target: Path) -> None:
    """The word embeddings per channel, then the layers in blocks: one scale for a whole activation
    tensor, as dynamic quantisation has it, costs more nDCG than it saves time
    (docs/decisions/0003).
    """
    with _keep_root_logger():
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Gather"],
        )
        layers = MatMulNBitsQuantizer(
            onnx.load(str(target)),
            bits=8,
            block_size=128,
            is_symmetric=True,
            # activations as int8, each block of each token with a scale of its own
            accuracy_level=4,
            op_types_to_quantize=("MatMul",),
        )
        layers.process()
        layers.model.save_model_to_file(str(target), False)


@contextmanager
def _keep_root_logger() -> Iterator[None]:
    """The quantiser's modules set up logging for the whole process when imported, and talk through
    the root logger.
    """
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
