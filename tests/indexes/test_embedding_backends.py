"""Which backend runs a model, what converting it keeps, and how texts share one."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, cast

import numpy as np
import pytest
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as token_models

from indexes import embedder as embedder_module
from indexes.embedder import Embedder, load, openvino_conversion, processor
from indexes.embedder.__main__ import main as embedder_main
from indexes.embedder.openvino_cpu import RECIPES, Streams
from indexes.errors import BadConfiguration
from indexes.settings import Settings
from indexes.testing import HashingEmbedder

LUNCH, PAY = "The canteen opens at half past eleven.", "Salaries rise in April of each year."
LUNCH_ZH, PAY_ZH = "食堂十一点半开门，午饭到两点。", "工资在每年四月上涨。"


@pytest.fixture
def home(models: Path, tmp_path: Path) -> Path:
    """With the models that other tests use, too, because unpacking and converting takes a while."""
    (tmp_path / "models").symlink_to(models)
    return tmp_path


def _settings(home: Path, **changes: Any) -> Settings:
    return Settings(home=home, **{"embedding_threads": 1, **changes})


@cache
def _tiny_weights() -> Any:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    return BertModel(
        BertConfig(vocab_size=64, max_position_embeddings=40, **sizes), add_pooling_layer=False
    )


def _tiny_model(folder: Path, *, pooling: str = "cls", static: bool = False) -> Path:
    """A model folder such as a user may bring: random weights, its own prompts, 40 tokens at most."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Pooling,
        StaticEmbedding,
        Transformer,
    )
    from transformers import PreTrainedTokenizerFast

    letters = {
        name: number
        for number, name in enumerate(["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz"])
    }
    tokenizer = Tokenizer(token_models.WordLevel(letters, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if static:
        SentenceTransformer(
            modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu"
        ).save(str(folder))
        return folder
    base = folder.with_name("base")
    _tiny_weights().save_pretrained(base)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(base)
    modules = [Transformer(str(base), max_seq_length=40), Pooling(32, pooling_mode=pooling)]
    prompts = {"query": "q ", "document": "dd "}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder))
    return folder


CONVERTED = ("openvino", "openvino-float32", "onnx")


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_any_folder_works_with_every_backend_and_all_agree(pooling: str, tmp_path: Path) -> None:
    folder = _tiny_model(tmp_path / "model", pooling=pooling)
    torch, *others = (
        load(_settings(tmp_path / "home", embedding_model=str(folder), embedding_backend=backend))
        for backend in ("torch", *CONVERTED)
    )
    assert len({torch.fingerprint, *(other.fingerprint for other in others)}) == 4
    for other in others:
        assert torch.dimension == other.dimension == 32
        assert torch.max_tokens == other.max_tokens == 40 - 3
        assert torch.count(["abc", "x" * 99]) == other.count(["abc", "x" * 99]) == [3, 99]
        for text in ("hello", "z" * 99):
            assert float(torch.query(text) @ other.query(text)) > 0.99
            assert not np.array_equal(other.query(text), other.passages([text])[0])


@pytest.mark.slow
@pytest.mark.parametrize("backend", CONVERTED)
def test_a_model_that_cannot_be_converted_says_which_backend_takes_it(
    backend: str, tmp_path: Path
) -> None:
    folder = _tiny_model(tmp_path / "model", static=True)
    settings = _settings(tmp_path / "home", embedding_model=str(folder), embedding_backend=backend)
    with pytest.raises(BadConfiguration) as raised:
        load(settings)
    assert raised.value.remedy == "Set CLEARANCE_EMBEDDING_BACKEND=torch."


@pytest.mark.slow
def test_left_open_a_model_that_cannot_be_converted_runs_as_it_was_published(
    tmp_path: Path,
) -> None:
    folder = _tiny_model(tmp_path / "model", static=True)
    open_, torch = (
        load(_settings(tmp_path / "home", embedding_model=str(folder), embedding_backend=backend))
        for backend in ("auto", "torch")
    )
    assert open_.fingerprint == torch.fingerprint


@pytest.mark.slow
def test_left_open_the_backend_is_the_one_that_made_the_vectors_that_are_there(
    tmp_path: Path,
) -> None:
    folder = _tiny_model(tmp_path / "model")
    settings = _settings(tmp_path / "home", embedding_model=str(folder))
    for backend in ("torch", *CONVERTED):
        made = load(settings.model_copy(update={"embedding_backend": backend}))
        assert load(settings, fingerprint=made.fingerprint).fingerprint == made.fingerprint
        shutil.rmtree(
            settings.home, ignore_errors=True
        )  # what was converted is derived, and may be deleted
        assert load(settings, fingerprint=made.fingerprint).fingerprint == made.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni", "openvino"),
        ("Features\t: asimd i8mm", "openvino-float32"),
        ("flags\t\t: fpu avx2", "openvino-float32"),
        (None, "openvino-float32"),
    ],
)
def test_a_new_catalog_gets_what_is_fastest_on_this_processor(
    flags: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    if flags is not None:
        told.write_text(f"processor\t: 0\n{flags}\n", encoding="utf-8")
    monkeypatch.setattr(processor, "PROCESSOR", told)
    folder = _tiny_model(tmp_path / "model")
    settings = _settings(tmp_path / "home", embedding_model=str(folder))
    assert load(settings, fingerprint="of vectors that nobody here can make").fingerprint == (
        load(settings.model_copy(update={"embedding_backend": expected})).fingerprint
    )


def test_a_loader_loads_each_embedder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str | None] = []

    def make(settings: Settings, report: object, *, fingerprint: str | None) -> Embedder:
        made.append(fingerprint)
        return HashingEmbedder(name=settings.embedding_model)

    monkeypatch.setattr(embedder_module, "load", make)
    loads = embedder_module.embedder_loader(_settings(tmp_path))
    first = loads("a")
    assert loads("a") is loads("a", first.fingerprint) is first
    assert loads("b") is not first
    assert loads("a", "another") is first  # there is no such vector; it is the default again
    assert made == [None, None, "another"]


def test_a_model_that_cannot_be_made_ready_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLEARANCE_HOME", str(tmp_path))
    monkeypatch.setenv("CLEARANCE_EMBEDDING_MODEL", "/models/none")
    assert embedder_main() == 1
    assert "multilingual-e5-small" in capsys.readouterr().err


NO_NETWORK = """
import socket, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("REACHED OUT", event, arguments, flush=True)
sys.addaudithook(refuse)
from pathlib import Path
from indexes.embedder import load
from indexes.settings import Settings
home, folder = map(Path, sys.argv[1:])
load(Settings(home=home, embedding_model=str(folder), embedding_backend="openvino")).query("hello")
import threading
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join(0.5)
"""


@pytest.mark.slow
def test_converting_and_running_a_model_tells_nobody(tmp_path: Path) -> None:
    folder = _tiny_model(tmp_path / "model")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "user"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    (tmp_path / "user").mkdir()
    command = [sys.executable, "-c", NO_NETWORK, str(tmp_path / "home"), str(folder)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "REACHED OUT" not in done.stdout
    assert not (tmp_path / "user" / "intel").exists()  # where the sender keeps whom it speaks for


def test_a_question_waits_for_no_passage_that_has_not_begun() -> None:
    streams: Any = Streams([cast("Any", "the only one")])
    order: list[str] = []
    first = streams.take(False)
    first.__enter__()

    def go(name: str, urgent: bool) -> None:
        with streams.take(urgent):
            order.append(name)

    waiting = [Thread(target=go, args=("passage", False)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    question = Thread(target=go, args=("question", True))
    question.start()
    while streams._urgent == 0:
        time.sleep(0.001)
    first.__exit__(None, None, None)
    for thread in [*waiting, question]:
        thread.join(10)
    assert order == ["question", "passage", "passage", "passage"]


def test_another_calibration_text_is_another_recipe() -> None:
    """Whoever changes the text raises its number in the recipe: vectors before and after differ."""
    text = hashlib.sha256(openvino_conversion.CALIBRATION.read_bytes()).hexdigest()
    assert (RECIPES["int8"], text) == (
        "openvino int8 1: smooth quantisation, calibration text 1",
        "7c71de540c5b35055d6de6c0493eff7ffdf7a680610125a8af3eaacaf3e2de8a",
    )


@pytest.mark.slow
def test_the_fingerprint_follows_weights_and_not_who_wrote_the_folder(tmp_path: Path) -> None:
    folder = _tiny_model(tmp_path / "model")
    settings = _settings(tmp_path / "home", embedding_model=str(folder))
    before = load(settings).fingerprint
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(
        json.dumps({**config, "transformers_version": "9.9"}), encoding="utf-8"
    )
    (folder / "README.md").write_text("a word more", encoding="utf-8")
    assert load(settings).fingerprint == before
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x3f")
    assert load(settings).fingerprint != before


@pytest.mark.slow
def test_converted_vectors_of_the_packaged_model_are_near_the_originals(home: Path) -> None:
    torch, *others = (
        load(_settings(home, embedding_backend=backend)) for backend in ("torch", *CONVERTED)
    )
    texts = [LUNCH, PAY, LUNCH_ZH, PAY_ZH]
    for other in others:
        assert torch.fingerprint != other.fingerprint
        assert (torch.max_tokens, torch.dimension) == (other.max_tokens, other.dimension)
        assert np.sum(torch.passages(texts) * other.passages(texts), axis=1).min() > 0.995
    assert (torch.max_tokens, torch.dimension) == (507, 384)


@pytest.mark.slow
def test_a_second_load_converts_nothing_and_has_the_same_fingerprint(home: Path) -> None:
    first = load(_settings(home, embedding_backend="openvino"))
    said: list[str] = []
    again = load(_settings(home, embedding_backend="openvino"), said.append)
    assert (again.fingerprint, said) == (first.fingerprint, [])
    assert again.query(LUNCH).tobytes() == first.query(LUNCH).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["openvino", "openvino-float32"])
def test_a_vector_is_the_same_bytes_however_many_threads_there_are(
    backend: str, home: Path
) -> None:
    texts = [PAY_ZH, LUNCH * 9, PAY, LUNCH] * 3
    alone, together = (
        load(_settings(home, embedding_backend=backend, embedding_threads=threads))
        for threads in (1, 3)
    )
    assert alone.passages(texts).tobytes() == together.passages(texts).tobytes()
    assert alone.query(LUNCH).tobytes() == together.query(LUNCH).tobytes()
