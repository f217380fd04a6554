"""What every embedder promises, asked of the stand-in and of the real model with every backend."""

import dataclasses
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from indexes import embedder as embedder_module
from indexes.embedder import Embedder, load, openvino_conversion, processor
from indexes.embedder.__main__ import main as embedder_main
from indexes.embedder.openvino_cpu import RECIPES, _Lanes
from indexes.embedder.sentences import ModelFacts, SentenceTransformerEmbedder
from indexes.errors import BadConfiguration
from indexes.settings import Settings
from indexes.testing import HashingEmbedder

LUNCH, PAY = "The canteen opens at half past eleven.", "Salaries rise in April of each year."
LUNCH_ZH, PAY_ZH = "食堂十一点半开门，午饭到两点。", "工资在每年四月上涨。"
ODD = ["", " ", "\x00", "\ud800 half of a pair", "🙂" * 50, "x" * 20_000, "。" * 3_000, "a\n\n\tb"]


@pytest.fixture(scope="module")
def home(models: Path) -> Iterator[Path]:
    """With the models that other tests use, too, because unpacking and converting takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").symlink_to(models)
        yield Path(folder)


def _settings(home: Path, **changes: Any) -> Settings:
    return Settings(home=home, embedding_threads=1, **changes)


@pytest.fixture(
    scope="module",
    params=[
        "hashing",
        pytest.param("torch", marks=pytest.mark.slow),
        pytest.param("onnx", marks=pytest.mark.slow),
        pytest.param("openvino", marks=pytest.mark.slow),
        pytest.param("openvino-float32", marks=pytest.mark.slow),
    ],
)
def embedder(request: pytest.FixtureRequest, home: Path) -> Embedder:
    if request.param == "hashing":
        return HashingEmbedder(dimension=256)
    return load(_settings(home, embedding_backend=request.param))


class TestContract:
    def test_vectors_have_length_one_and_the_promised_shape(self, embedder: Embedder) -> None:
        passages = embedder.passages([LUNCH, PAY, LUNCH_ZH])
        question = embedder.query("When can I eat?")
        assert passages.shape == (3, embedder.dimension)
        assert question.shape == (embedder.dimension,)
        assert passages.dtype == question.dtype == np.float32
        assert np.allclose(np.linalg.norm([*passages, question], axis=1), 1, atol=1e-6)

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        assert embedder.passages([]).shape == (0, embedder.dimension)
        assert embedder.count([]) == []

    @pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
    def test_any_text_has_a_vector_and_a_count(self, embedder: Embedder, text: str) -> None:
        for vector in (embedder.query(text), embedder.passages([text])[0]):
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        assert embedder.count([text])[0] >= 0

    def test_a_question_finds_what_it_is_about(self, embedder: Embedder) -> None:
        for passages, questions in (
            ([LUNCH, PAY], ["When does the canteen open?", "When do salaries rise?"]),
            ([LUNCH_ZH, PAY_ZH], ["食堂几点开门？", "工资什么时候上涨？"]),
        ):
            vectors = embedder.passages(passages)
            assert [
                int(np.argmax(vectors @ embedder.query(question))) for question in questions
            ] == [0, 1]

    def test_a_passages_vector_depends_on_nothing_but_its_text(self, embedder: Embedder) -> None:
        texts = [PAY_ZH, LUNCH * 9, PAY, LUNCH]
        together = embedder.passages(texts)
        assert [vector.tobytes() for vector in together] == [
            embedder.passages([text])[0].tobytes() for text in texts
        ]

    def test_a_question_gives_the_same_bytes_whatever_else_goes_on(
        self, embedder: Embedder
    ) -> None:
        expected = embedder.query(LUNCH).tobytes()
        with ThreadPoolExecutor(4) as pool:
            noise = [pool.submit(embedder.passages, [PAY * 5, LUNCH_ZH]) for _ in range(4)]
            questions = [pool.submit(embedder.query, LUNCH) for _ in range(8)]
            counts = [pool.submit(embedder.count, [PAY * 400]) for _ in range(4)]
        assert {question.result().tobytes() for question in questions} == {expected}
        assert len({tuple(count.result()) for count in counts}) == 1
        assert [part.result().shape[0] for part in noise] == [2] * 4

    def test_counts_are_of_the_whole_text_without_prefix_and_special_tokens(
        self, embedder: Embedder
    ) -> None:
        one, hundred, thousand = embedder.count(
            ["canteen", " ".join(["canteen"] * 100), " ".join(["canteen"] * 1000)]
        )
        assert (hundred, thousand) == (100 * one, 1000 * one)
        assert embedder.count(["", LUNCH]) == [0, *embedder.count([LUNCH])]

    def test_max_tokens_are_seen_and_what_is_far_beyond_is_cut_off(
        self, embedder: Embedder
    ) -> None:
        (one,) = embedder.count(["canteen"])
        words = ["canteen"] * (embedder.max_tokens // one)
        room = embedder.max_tokens - one * len(words)
        full = " ".join([*words, *["a"] * room])
        assert embedder.count([full]) == [embedder.max_tokens]
        changed = " ".join([*words[:-1], "salary"])
        longer = full + " salary" * 10  # the shorter of two prefixes leaves room for a few more
        seen, other, cut, cut_too = embedder.passages([full, changed, longer, longer + " lunch"])
        assert not np.array_equal(seen, other)
        assert np.array_equal(cut, cut_too)

    def test_a_fingerprint_and_a_name_are_there(self, embedder: Embedder) -> None:
        assert embedder.name
        assert embedder.fingerprint


class CountingBackend:
    """Counts characters: enough to see what an embedder hands to its backend."""

    def __init__(
        self, batch_size: int = 1, prompts: dict[str, str] | None = None, max_length: int = 64
    ) -> None:
        self.facts = ModelFacts(
            identity="counting", dimension=2, max_length=max_length, prompts=prompts or {}
        )
        self.tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self.batch_size = batch_size
        self.batches: list[list[str]] = []

    def vectors(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        return np.array([[len(text), text.count("!")] for text in texts], np.float32)


def test_another_process_can_count_like_the_embedder_without_its_model(embedder: Embedder) -> None:
    recipe = embedder.counter_recipe()
    module, function = recipe.maker.split(":")
    counter = getattr(importlib.import_module(module), function)(recipe.data, recipe.max_tokens)
    texts = ["", PAY, LUNCH_ZH, PAY * 400, "\ud800 half"]
    assert counter.count(texts) == embedder.count(texts)
    assert counter.max_tokens == embedder.max_tokens


def test_on_a_gpu_batches_hold_texts_of_similar_length_and_come_back_in_order() -> None:
    backend = CountingBackend(batch_size=2)
    texts = ["four", "a", "fifteen letters", "bb"]
    vectors = SentenceTransformerEmbedder("m", backend).passages([*texts[:3], "bb!!"])
    assert backend.batches == [["a", "four"], ["bb!!", "fifteen letters"]]
    assert [round(float(down / across)) for across, down in vectors] == [0, 0, 0, round(2 / 4)]


@pytest.mark.parametrize(
    ("name", "prompts", "expected"),
    [
        ("any", {"query": "Q: ", "document": "D: "}, ["Q: x", "D: x"]),
        ("any", {"query": "Q: ", "passage": "P: "}, ["Q: x", "P: x"]),
        ("any", {"query": "", "document": ""}, ["x", "x"]),
        (
            "intfloat/multilingual-e5-large",
            {"query": "", "document": ""},
            ["query: x", "passage: x"],
        ),
        ("/models/e5-base-v2", {}, ["query: x", "passage: x"]),
        ("intfloat/e5-mistral-7b-instruct", {}, ["x", "x"]),
    ],
)
def test_prefixes_come_from_the_model_and_e5_models_have_theirs_anyway(
    name: str, prompts: dict[str, str], expected: list[str]
) -> None:
    backend = CountingBackend(prompts=prompts)
    embedder = SentenceTransformerEmbedder(name, backend)
    embedder.query("x")
    embedder.passages(["x"])
    assert [text for batch in backend.batches for text in batch] == expected


def test_the_settings_beat_the_models_own_prefixes_also_with_none_at_all() -> None:
    backend = CountingBackend(prompts={"query": "Q: ", "document": "D: "})
    embedder = SentenceTransformerEmbedder("m", backend, query_prefix="", passage_prefix="text: ")
    embedder.query("x")
    embedder.passages(["x"])
    assert backend.batches == [["x"], ["text: x"]]


def test_the_longer_prefix_is_taken_off_the_longest_text() -> None:
    backend = CountingBackend(
        prompts={"query": "one two three ", "document": "one "}, max_length=64
    )
    assert SentenceTransformerEmbedder("m", backend).max_tokens == 61
    with pytest.raises(BadConfiguration) as raised:
        SentenceTransformerEmbedder(
            "m", CountingBackend(max_length=2), query_prefix="much too long a prefix "
        )
    assert "embedding_query_prefix" in (raised.value.remedy or "")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_a_vector_without_a_direction_is_refused(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = CountingBackend()
    monkeypatch.setattr(
        backend,
        "vectors",
        lambda texts, *, urgent=False: np.full((len(texts), 2), wrong, np.float32),
    )
    with pytest.raises(BadConfiguration, match="not a number, or zero"):
        SentenceTransformerEmbedder("m", backend).query("x")


def test_whatever_changes_vectors_changes_the_fingerprint() -> None:
    def fingerprint(facts: ModelFacts, **prefixes: str) -> str:
        backend = CountingBackend()
        backend.facts = facts
        return SentenceTransformerEmbedder("m", backend, **prefixes).fingerprint

    facts = CountingBackend().facts
    same = fingerprint(facts)
    assert fingerprint(dataclasses.replace(facts)) == same
    others = [
        fingerprint(dataclasses.replace(facts, identity="other weights")),
        fingerprint(dataclasses.replace(facts, max_length=32)),
        fingerprint(facts, query_prefix="Q: "),
        fingerprint(facts, passage_prefix="Q: "),
    ]
    assert len({same, *others}) == 5


@pytest.mark.parametrize("name", ["./models/none", "/models/none", "~/none", "a/b/c"])
def test_a_folder_that_is_not_there_is_no_name_to_look_for_elsewhere(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration, match="no model folder") as raised:
        load(_settings(tmp_path, embedding_model=name))
    assert "multilingual-e5-small" in (raised.value.remedy or "")


def test_an_unknown_name_fails_fast_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadConfiguration, match="HF_HUB_OFFLINE is set") as raised:
        load(_settings(tmp_path, embedding_model="nobody/no-such-model"))
    assert "packaged model" in (raised.value.remedy or "")


@pytest.mark.parametrize("content", [{}, {"config.json": "{"}, {"config.json": "{}"}])
@pytest.mark.slow
def test_a_folder_that_holds_no_model_is_refused(content: dict[str, str], tmp_path: Path) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BadConfiguration) as raised:
        load(_settings(tmp_path / "home", embedding_model=str(tmp_path)))
    assert raised.value.remedy


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
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
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
        ("Features\t: asimd i8mm", "openvino"),
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
    lanes: Any = _Lanes([cast("Any", "the only one")])
    order: list[str] = []
    first = lanes.take(False)
    first.__enter__()

    def go(name: str, urgent: bool) -> None:
        with lanes.take(urgent):
            order.append(name)

    waiting = [Thread(target=go, args=("passage", False)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    question = Thread(target=go, args=("question", True))
    question.start()
    while lanes._urgent == 0:
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
