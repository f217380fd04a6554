"""A language model from one GGUF file to a Hugging Face folder in bfloat16, with its tokenizer and
chat template.
"""

import json
import os
from pathlib import Path

from indexes.errors import BadConfiguration


def convert(source: Path, folder: Path) -> None:
    """Writes config.json, model.safetensors, the tokenizer and its chat template into the folder."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        import accelerate  # type: ignore[import-not-found,unused-ignore]  # noqa: F401  the loader of GGUF files asks for it
        import gguf  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    except ImportError as error:
        raise BadConfiguration(
            f"A GGUF file cannot be read here: {error}.",
            remedy="Run this with the model server's Python; it needs transformers, torch, accelerate and gguf.",
        ) from error

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, quantization_config=GgufConfig(dequantize=True)
    )
    model.bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _forget_origin(folder)


def _forget_origin(folder: Path) -> None:
    """Takes out of the configuration what describes the packed file: a server would look for packed
    weights again.
    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
