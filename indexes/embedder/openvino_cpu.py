"""Models of the BERT family run by OpenVINO on processors, in 8-bit or in single precision.

The model is converted once, into a folder beside the models. Every text is computed alone, so that
its vector is the same bytes whatever else is embedded; several texts run side by side, each on a
thread of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from indexes.artifacts import Report, make_once
from indexes.embedder.conversion import TOKENIZER, TokenIds, read_facts
from indexes.embedder.folders import ModelFolder
from indexes.embedder.openvino_import import import_openvino
from indexes.embedder.processor import has_int8_instructions
from indexes.embedder.vocabulary import read_tokenizer

if TYPE_CHECKING:
    from openvino import CompiledModel, InferRequest

Precision = Literal["int8", "float32"]

RECIPES: Mapping[Precision, str] = {
    "int8": "openvino int8 1: smooth quantisation, calibration text 1",
    "float32": "openvino float32 1: word embeddings in 8 bits per word",
}
"""Part of the fingerprint: vectors of different recipes must not share an index."""
CONVERSION_TAKES: Mapping[Precision, str] = {
    "int8": "one to three minutes",
    "float32": "half a minute",
}

GRAPH = "model.xml"
TEXTS = 32
"""To hand over at a time: enough to keep every thread at work, few enough to stop soon."""


class OpenVinoBackend:
    batch_size = TEXTS

    def __init__(self, folder: Path, threads: int) -> None:
        self.facts = read_facts(folder)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embedding")
        # a large vocabulary takes as long as the graph, so they are read side by side
        tokenizer = self._pool.submit(read_tokenizer, folder / TOKENIZER)
        compiled = compile_graph(folder / GRAPH, threads)
        self._streams = Streams([compiled.create_infer_request() for _ in range(threads)])
        self.tokenizer = tokenizer.result()
        self._ids = TokenIds(self.tokenizer, self.facts.max_length)

    def vectors(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float32]:
        if urgent or len(texts) == 1:
            return np.stack([self._vector(text, urgent) for text in texts])
        return np.stack(list(self._pool.map(self._vector, texts)))

    def _vector(self, text: str, urgent: bool = False) -> NDArray[np.float32]:
        ids = self._ids.of(text)
        with self._streams.take(urgent) as request:
            request.infer({0: ids, 1: np.ones_like(ids)}, share_inputs=True)
            vector: NDArray[np.float32] = request.get_output_tensor(0).data[0].copy()
        return vector


class Streams:
    """Requests of one compiled model: each computes one text at a time, on one thread.

    A question waits for no passage that has not begun.
    """

    def __init__(self, requests: "list[InferRequest]") -> None:
        self._free = requests
        self._changed = Condition()
        self._urgent = 0  # waiting

    @contextmanager
    def take(self, urgent: bool) -> "Iterator[InferRequest]":
        with self._changed:
            self._urgent += urgent
            self._changed.wait_for(lambda: self._free and (urgent or not self._urgent))
            self._urgent -= urgent
            request = self._free.pop()
            if urgent:  # passages that stood back may go on
                self._changed.notify_all()
        try:
            yield request
        finally:
            with self._changed:
                self._free.append(request)
                self._changed.notify_all()


def folder_of(folder: ModelFolder, cache: Path, precision: Precision) -> Path:
    """Where the converted model is, or will be."""
    return cache / f"openvino-{precision}-{folder.identity[:16]}"


def load(
    folder: ModelFolder, cache: Path, threads: int, report: Report, *, precision: Precision
) -> OpenVinoBackend:
    """The model, ready to run on that many threads; converted first if that was not done yet.

    Raises BadConfiguration when the model is of a kind that cannot be converted, or does not survive
    it.
    """

    def make(empty: Path) -> None:
        from indexes.embedder.openvino_conversion import convert

        report(
            f"Converting {folder.name} for OpenVINO, {CONVERSION_TAKES[precision]}; this is done once."
        )
        convert(folder, empty, precision)

    made_from = {"model": folder.name, "identity": folder.identity, "recipe": RECIPES[precision]}
    converted = make_once(folder_of(folder, cache, precision), made_from, make, report)
    return OpenVinoBackend(converted, threads)


def compile_graph(path: Path, threads: int) -> "CompiledModel":
    """As many streams as threads: each text on one thread, so that its bytes do not hang on how many
    there are.
    """
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # of what is not quantised; never half precision
        "ENABLE_CPU_PINNING": False,  # other work shares the cores
        # without such instructions 8-bit products overflow on the way to their sum, and are slow:
        # the same rounded numbers are multiplied in single precision instead
        "LP_TRANSFORMS_MODE": has_int8_instructions(),
    }
    return import_openvino().Core().compile_model(path, "CPU", options)
