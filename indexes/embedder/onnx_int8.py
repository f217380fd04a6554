"""Models of the BERT family run by ONNX Runtime with 8-bit weights: on a CPU faster than PyTorch,
which is not loaded.

The model is exported and quantised once, into a folder beside the models. Every text is computed
alone: 8-bit kernels may round differently for other batch shapes, and a batch only makes them
slower.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexes.artifacts import Report, make_once
from indexes.embedder.folders import ModelFolder
from indexes.embedder.sentences import ModelFacts
from indexes.errors import BadConfiguration

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

RECIPE = "onnx int8 1: MatMul in blocks of 128 with int8 activations per block, Gather per channel"
"""Part of the fingerprint: vectors of different recipes must not share an index."""

ARCHITECTURES = frozenset({"bert", "camembert", "roberta", "xlm-roberta"})
LEAST_COSINE = 0.99
"""Between a vector of the exported model and the original's, on the samples.

Below, quantising has broken the model.
"""
SAMPLES = (
    "The canteen opens at half past eleven.",
    "Employees may carry over at most five days of leave into the next calendar year; the rest expires on 31 March.",
    "员工每年最多可以将五天年假结转到下一年。",
    "def area(radius):\n    return 3.14159 * radius**2",
)


class OnnxBackend:
    batch_size = 1

    def __init__(self, folder: Path, threads: int) -> None:
        facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        self.facts = ModelFacts(**facts)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._room = self.facts.max_length - self.tokenizer.num_special_tokens_to_add(False)
        self._session = _session(folder / "model.onnx", threads)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.concatenate([self._vector(text) for text in texts])

    def _vector(self, text: str) -> NDArray[np.float32]:
        """Shape (1, dimension)."""
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        tokens.truncate(self._room)
        ids = np.array([self.tokenizer.post_process(tokens).ids], np.int64)
        (found,) = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        vector: NDArray[np.float32] = found
        return vector


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
    exported = make_once(cache / f"onnx-int8-{folder.identity[:16]}", made_from, make, report)
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
    _check_quantised(OnnxBackend(empty, threads), expected, folder.name)


def _write_float32(folder: ModelFolder, empty: Path) -> NDArray[np.float64]:
    """Writes the traced model, its tokenizer and its facts.

    Returns the original's unit vectors of the samples.
    """
    from indexes.embedder.pytorch import facts_of, load_model, tokenizer_of

    model = load_model(folder.path, device="cpu", attn_implementation="eager")
    _check_kind(model, folder.name)
    facts = facts_of(model, f"{folder.identity} {RECIPE}")
    text = json.dumps(
        {name: getattr(facts, name) for name in facts.__slots__}, indent=2, ensure_ascii=False
    )
    (empty / "facts.json").write_text(text + "\n", encoding="utf-8")
    tokenizer_of(model).save(str(empty / "tokenizer.json"))
    _trace(model, empty / "float32.onnx")
    vectors = [model.encode(sample, prompt="", show_progress_bar=False) for sample in SAMPLES]
    return _to_unit_length(np.asarray(vectors))


def _check_kind(model: "SentenceTransformer", name: str) -> None:
    """Refuses what the traced graph would not compute as the original does."""
    kinds = [type(module).__name__ for module in model]
    architecture = getattr(getattr(model[0], "auto_model", None), "config", None)
    known = getattr(architecture, "model_type", None) in ARCHITECTURES
    if (
        not known
        or kinds[:2] != ["Transformer", "Pooling"]
        or not set(kinds[2:]) <= {"Normalize", "Dense"}
    ):
        raise BadConfiguration(
            f"{name} is not a model of the BERT family with plain pooling, so it has no ONNX form here.",
            remedy="Set CLEARANCE_EMBEDDING_BACKEND=torch.",
        )


def _trace(model: "SentenceTransformer", path: Path) -> None:
    import torch

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            found: torch.Tensor = features["sentence_embedding"]
            return found

    inputs = model.tokenizer(
        [SAMPLES[0], SAMPLES[1]],
        padding=True,
        truncation=True,
        max_length=model.max_seq_length,
        return_tensors="pt",
    )
    names = ["input_ids", "attention_mask"]
    shape = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings(), torch.inference_mode():
        # of the tracer, on branches that the inputs here do not decide
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Graph().eval(),
            tuple(inputs[name] for name in names),
            str(path),
            input_names=names,
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


def _check_quantised(backend: OnnxBackend, expected: NDArray[np.float64], name: str) -> None:
    least = float(np.min(np.sum(_to_unit_length(backend.vectors(SAMPLES)) * expected, axis=1)))
    if not least >= LEAST_COSINE:
        raise BadConfiguration(
            f"{name} loses too much with 8-bit weights: cosine {least:.3f} to the original.",
            remedy="Set CLEARANCE_EMBEDDING_BACKEND=torch.",
        )


def _to_unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


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
