"""Sentence Transformers models run by PyTorch, in float32: any architecture, on a GPU if there
is one.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexes.embedder.folders import USE_PACKAGED, ModelFolder
from indexes.embedder.sentences import ModelFacts
from indexes.errors import BadConfiguration

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

RECIPE = "torch float32"
"""Part of the fingerprint: vectors of different recipes must not share an index."""

GPU_BATCH = 32
NO_LIMIT = 8192
"""Longest text, in tokens, of a model that names no limit."""


class TorchBackend:
    def __init__(self, model: "SentenceTransformer", identity: str) -> None:
        self.model = model
        self.tokenizer = tokenizer_of(model)
        self.facts = facts_of(model, identity)
        self.batch_size = 1 if model.device.type == "cpu" else GPU_BATCH
        self._tokenizer_lock = Lock()  # the tokenizer inside the model is not safe to share

    def vectors(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float32]:
        with self._tokenizer_lock:
            found: NDArray[np.float32] = self.model.encode(
                list(texts),
                prompt="",
                batch_size=len(texts),
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return found


def load(folder: ModelFolder, threads: int) -> TorchBackend:
    """The model, ready to run on that many threads.

    Raises BadConfiguration when it cannot be loaded.
    """
    import torch

    torch.set_num_threads(threads)
    return TorchBackend(load_model(folder.path), folder.identity_with(RECIPE))


def load_model(
    path: Path, device: str | None = None, **model_options: object
) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    try:
        with silence("transformers", "sentence_transformers"):
            model = SentenceTransformer(
                str(path), device=device, local_files_only=True, model_kwargs=model_options
            )
    # whatever is wrong with a folder comes out as an error of the library that met it
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise BadConfiguration(
            f"The embedding model in {path} cannot be loaded: {type(error).__name__}: {reason}",
            remedy=USE_PACKAGED,
        ) from error
    return model.float().eval()


def facts_of(model: "SentenceTransformer", identity: str) -> ModelFacts:
    limit = model.max_seq_length
    return ModelFacts(
        identity=identity,
        dimension=int(model.get_embedding_dimension() or 0),
        max_length=int(limit) if limit and math.isfinite(limit) else NO_LIMIT,
        prompts={name: prompt or "" for name, prompt in model.prompts.items()},
    )


def tokenizer_of(model: "SentenceTransformer") -> Tokenizer:
    """A tokenizer of our own: the one in the model changes its cutting and padding with each call."""
    inner = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    if not isinstance(inner, Tokenizer):
        raise BadConfiguration("The embedding model has no fast tokenizer.", remedy=USE_PACKAGED)
    tokenizer = Tokenizer.from_str(inner.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@contextmanager
def silence(*names: str) -> Iterator[None]:
    """Keeps back what these libraries remark below an error, such as on weights that are not used."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
