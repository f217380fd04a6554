"""Embedding and `/ask` with a GPU, each beside the model's own speed.

    python -m bench.gpu [--models NAME ...] [--passages 20000] [--json FILE]
    python -m bench.gpu --llm-url http://127.0.0.1:8000 [--callers 1 8 32 128] [--json FILE]

Embedding: passages of this project's own documents, as long as ingestion cuts them. `product` is
the embedder that `CLEARANCE_EMBEDDING_BACKEND=torch` gives, as ingestion calls it; `batched` is the
same model by Sentence Transformers in half precision, in batches of up to so many tokens; `limit`
is the bare model on tokens that lie on the device already, in these batches. They take turns.

With a model server (vLLM): `/ask` for so many callers at once beside the same prompts sent straight
to the server by as many, turn about (`gpu_asking`).

Without a GPU it runs on the processor with small sizes, in single precision, and says so first: then
it shows that it works, and nothing about a GPU.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from bench.gpu_asking import measure_asking
from bench.gpu_embedding import measure_embedding
from indexes import settings as configuration

SMALL = {"passages": 24, "rounds": 1, "callers": [1, 2], "requests": 4}
LARGE = {"passages": 20_000, "rounds": 3, "callers": [1, 8, 32, 128], "requests": 256}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    packaged = configuration.load().embedding_model
    options.add_argument("--models", nargs="*", default=[packaged], help="of embedding; or none")
    options.add_argument("--passages", type=int)
    options.add_argument("--rounds", type=int, help="of each side of embedding, and of asking")
    options.add_argument(
        "--batch-tokens", type=int, default=65_536, help="of `batched` and `limit`"
    )
    options.add_argument("--llm-url", help="a running vLLM server")
    options.add_argument("--callers", type=int, nargs="+")
    options.add_argument("--requests", type=int, help="for each number of callers and each side")
    options.add_argument("--home", type=Path, help="with documents to ask; default: the examples")
    options.add_argument("--questions", type=Path, help="JSON lines with `text`, .gz or not")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    given = options.parse_args()
    device = describe_device()
    print(device["about"], flush=True)
    sizes = LARGE if device["gpu"] else SMALL
    for name, value in sizes.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    figures: dict[str, Any] = {"device": device, "embedding": [], "asking": []}
    for model in given.models:
        figures["embedding"].append(
            measure_embedding(
                model, given.passages, given.rounds, given.batch_tokens, half=bool(device["gpu"])
            )
        )
    if given.llm_url:
        figures["asking"] = measure_asking(
            given.llm_url,
            given.callers,
            given.requests,
            given.rounds,
            home=given.home,
            questions=given.questions,
        )
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def describe_device() -> dict[str, Any]:
    """What embeds here, and how much it proves."""
    if not torch.cuda.is_available():
        about = "No GPU: on the processor, with small sizes. This shows that it works, no speed."
        return {"gpu": None, "small": True, "about": about, "torch": torch.__version__}
    name = torch.cuda.get_device_name()
    return {"gpu": name, "small": False, "about": f"GPU: {name}", "torch": torch.__version__}


if __name__ == "__main__":
    main()
