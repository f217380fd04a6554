"""From a trained answer scorer to the file that is shipped.

    python -m bench.answerability_packing --trained FILE --mix 0.55 0.185 0.859 --out FILE

The mix is what `bench.answerability` prints: what verdict and span count, and a constant. Layers that were not
trained are left out: the embedding model has them.
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from bench.answerability_training import FROZEN, depth_of
from indexes.artifacts import sha256_of
from indexes.embedder.answer_model import MIX
from indexes.weights.answer_scorer import pack_tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--mix", type=float, nargs=3, required=True)
    parser.add_argument("--frozen", type=int, default=FROZEN)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    trained = load_file(given.trained)
    kept = {
        name: tensor
        for name, tensor in trained.items()
        if depth_of(name) >= given.frozen or "token_type" in name  # its text has a kind of its own
    }
    kept[MIX] = np.array(given.mix, np.float32)
    save_file(pack_tensors(kept), given.out)
    print(given.out, given.out.stat().st_size, sha256_of(given.out))


if __name__ == "__main__":
    main()
