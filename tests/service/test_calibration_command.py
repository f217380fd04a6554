"""`clearance abstention`, as an operator runs it."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from indexes import embedder as embedding
from indexes.testing import HashingEmbedder
from service.cli.serve import app
from tests.service.conftest import run_command
from tests.service.test_calibration import THINGS, cases, name
from tests.world import World


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Questions about eighty things, of which the asker may read about forty."""
    world = World(tmp_path / "home", embedder=HashingEmbedder(512))
    world.people(ada=["hr"], bob=["eng"])
    for number in range(THINGS):
        text = f"What is the weight of the {name(number)}? The {name(number)} has a weight of {number} stones."
        world.put(f"thing{number}", text, "group:hr" if number < THINGS // 2 else "group:eng")
    world.close()
    monkeypatch.setattr(embedding, "load", lambda settings, say=None, **_: HashingEmbedder(512))
    monkeypatch.setenv("CLEARANCE_HOME", str(world.home))
    rows = [{**asdict(case), "user": "ada", "documents": []} for case in cases(range(THINGS))]
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def run(*arguments: str, code: int = 0) -> str:
    result = run_command(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_a_threshold_is_chosen_told_kept_switched_off_and_forgotten(questions: Path) -> None:
    assert run("abstention", "show") == "Nothing is refused for little evidence.\n"
    told = run("abstention", "calibrate", str(questions), "--max-refused-share", "0.05")
    assert "refuse strength below" in told
    assert "always refuse" in told
    assert "Kept: it holds" in told
    assert "(calibrated " in run("abstention", "show")
    run("abstention", "off")
    assert run("abstention", "show") == "Nothing is refused for little evidence.\n"
    assert "Forgotten." in run("abstention", "reset")
    assert "nothing to forget" in run("abstention", "reset")


def test_each_aim_has_an_option_and_the_curves_go_into_a_picture(questions: Path) -> None:
    picture = questions.with_name("curves.svg")
    told = run(
        "abstention", "calibrate", str(questions), "--precision", "0.8", "--recall", "0.8",
        "--picture", str(picture),
    )  # fmt: skip
    assert "precision of at least 80.0% and recall of at least 80.0%" in told
    assert "<polyline" in picture.read_text(encoding="utf-8")
    assert picture.stat().st_mode & 0o077 == 0
    assert "No such" not in run("abstention", "calibrate", str(questions), "--false-refusals", "0")
    assert "0 to 1" in run("abstention", "calibrate", str(questions), "--precision", "8", code=2)


def test_an_aim_out_of_reach_fails_and_keeps_nothing_unless_it_is_told_to(questions: Path) -> None:
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()]
    blind = questions.with_name("blind.jsonl")  # whether there is an answer is drawn by chance
    mixed = [{**row, "answerable": n % 3 > 0} for n, row in enumerate(rows)]
    blind.write_text("".join(json.dumps(row) + "\n" for row in mixed), encoding="utf-8")
    aim = ("abstention", "calibrate", str(blind), "--precision", "0.99", "--recall", "0.9")
    told = run(*aim, code=1)
    assert "cannot be reached" in told
    assert "Nothing is kept." in told
    assert run("abstention", "show") == "Nothing is refused for little evidence.\n"
    assert "Kept: it holds" in run(*aim, "--anyway")
    assert "(calibrated " in run("abstention", "show")


def test_too_few_questions_are_refused_and_nothing_is_kept(questions: Path) -> None:
    few = questions.with_name("few.jsonl")
    few.write_text(
        "".join(questions.read_text(encoding="utf-8").splitlines(keepends=True)[:9]),
        encoding="utf-8",
    )
    assert "At least 50" in run("abstention", "calibrate", str(few), code=2)
    assert run("abstention", "show") == "Nothing is refused for little evidence.\n"


def test_measuring_prompts_calibrates_nothing(questions: Path) -> None:
    assert "No such option" in run("eval", str(questions), "--calibrate", code=2)
