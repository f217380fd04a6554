"""From the name of an embedding model to the folder that holds it: a packaged model, a folder, or a
name on the hub.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexes.artifacts import Report, sha256_of
from indexes.errors import BadConfiguration
from indexes.weights import EMBEDDING_MODELS, unpack_embedding_model

NAMED = ("config.json", "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "modules.json")
"""Files that decide what a model computes, beside its weights."""

OTHER_FORMATS = [
    "*.h5",
    "*.msgpack",
    "*.ot",
    "*.onnx",
    "*.onnx_data",
    "*.gguf",
    "onnx/*",
    "openvino/*",
    "coreml/*",
]
USE_PACKAGED = f"Use the packaged model ({', '.join(EMBEDDING_MODELS)}) or the path of a Sentence Transformers folder."


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model on disk in the layout of Sentence Transformers."""

    name: str  # as configured
    identity: str  # SHA-256 over what decides the vectors: weights, vocabulary, pooling
    open: Callable[[], Path]

    def identity_with(self, recipe: str) -> str:
        """Of these weights, computed with in this way."""
        return f"{self.identity} {recipe}"

    @property
    def path(self) -> Path:
        """Of a packaged model, unpacked now if that was not done yet: whoever runs it in another form
        does without. Raises BadConfiguration.
        """
        return self.open()


def locate_model(name: str, cache: Path, report: Report) -> ModelFolder:
    """The model's folder, downloaded when it is not here yet. Raises BadConfiguration."""
    if name in EMBEDDING_MODELS:
        return ModelFolder(
            name=name,
            identity=EMBEDDING_MODELS[name].identity,
            open=partial(unpack_embedding_model, name, cache, report),
        )
    path = Path(name).expanduser()
    if not path.is_dir():
        if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
            raise BadConfiguration(f"There is no model folder {name}.", remedy=USE_PACKAGED)
        path = _download(name, report)
    if not ((path / "modules.json").is_file() or (path / "config.json").is_file()):
        raise BadConfiguration(f"{path} holds no embedding model.", remedy=USE_PACKAGED)
    return ModelFolder(name=name, identity=_identity(path), open=lambda: path)


def _download(name: str, report: Report) -> Path:
    from huggingface_hub import constants, snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    if not constants.HF_HUB_OFFLINE:
        report(f"Looking for {repository} on {constants.ENDPOINT}.")
    try:
        path = Path(snapshot_download(repository, ignore_patterns=[*OTHER_FORMATS, "*.bin"]))
        if not any(path.rglob("*.safetensors")):
            path = Path(snapshot_download(repository, ignore_patterns=OTHER_FORMATS))
    # no such name, no network, no access, no room: the library has a class for each
    except Exception as error:
        where = (
            "in the local cache (HF_HUB_OFFLINE is set)"
            if constants.HF_HUB_OFFLINE
            else "on the hub"
        )
        reason = str(error).strip().split("\n")[0]
        raise BadConfiguration(
            f"The embedding model {name} was not found {where}: {type(error).__name__}: {reason}",
            remedy=USE_PACKAGED,
        ) from error
    return path


def _identity(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and _decides_vectors(relative):
            digest.update(f"{relative.as_posix()} {_content_hash(path)}\n".encode())
    return digest.hexdigest()


def _decides_vectors(path: Path) -> bool:
    if any(part.startswith(".") or part in ("onnx", "openvino", "coreml") for part in path.parts):
        return False
    of_a_module = len(path.parts) > 1 and path.name == "config.json"
    return of_a_module or path.suffix in (".safetensors", ".bin", ".model") or path.name in NAMED


def _content_hash(path: Path) -> str:
    """The file's hash; of a configuration without the versions of the libraries that wrote it."""
    if path.name != "config.json":
        return sha256_of(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadConfiguration(f"{path} is no JSON file: {error}.", remedy=USE_PACKAGED) from error
    if isinstance(config, dict):
        config = {
            key: value
            for key, value in config.items()
            if not re.search("version|name_or_path", key)
        }
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
