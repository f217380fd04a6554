"""Attack for as long as told, with larger sizes and another seed in each round.

    python -m tests.attack [--minutes 30] [--seed N]

Each round is the whole suite in `tests/attack` with the seed of the round; the first that fails
ends it, and says with which variables it can be repeated.
"""

import argparse
import os
import secrets
import subprocess
import sys
import time

SIZES = {
    "ATTACK_ROUNDS": "80",
    "ATTACK_SECONDS": "60",
    "ATTACK_EXAMPLES": "60",
    "ATTACK_WRITES": "20000",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="of the first round"
    )
    given = parser.parse_args()
    end, seed = time.monotonic() + 60 * given.minutes, given.seed
    while True:
        variables = {**SIZES, "CLEARANCE_TEST_SEED": str(seed)}
        command = [sys.executable, "-m", "pytest", "tests/attack", "-q", "--timeout", "3600"]
        if code := subprocess.run(command, env={**os.environ, **variables}).returncode:
            again = " ".join(f"{name}={value}" for name, value in variables.items())
            print(
                f"Something was found. Again: {again} python -m pytest tests/attack",
                file=sys.stderr,
            )
            raise SystemExit(code)
        if time.monotonic() >= end:
            return
        seed += 1


if __name__ == "__main__":
    main()
