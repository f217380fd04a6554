import re
from pathlib import Path

import pytest

from indexes import settings
from indexes.errors import BadConfiguration


def loaded(tmp_path: Path, **environ: str) -> settings.Settings:
    return settings.load(
        {f"CLEARANCE_{name}": value for name, value in environ.items()}, tmp_path / ".env"
    )


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="CLEARANCE_ACESS"):
        loaded(tmp_path, ACESS="off")


@pytest.mark.parametrize(
    "name", ["CLEARANCE_DATA", "CLEARANCE_TEST_POSTGRES", "CLEARANCE_TEST_SEED"]
)
def test_what_steers_tests_and_benchmarks_is_no_setting_and_no_error(name: str) -> None:
    assert settings.load({name: "something"}, None) == settings.load({}, None)


def test_every_name_that_steers_tests_and_benchmarks_is_known() -> None:
    root = Path(__file__).parents[2]
    used = {
        name
        for folder in ("tests", "bench", "tools")
        for file in (root / folder).rglob("*.py")
        for name in re.findall(r'environ(?:\.get\(|\[)"(CLEARANCE_\w+)"', file.read_text("utf-8"))
    }
    known = {f"CLEARANCE_{name.upper()}" for name in settings.Settings.model_fields}
    assert used - known == set(settings.OF_TESTS)


def test_an_unknown_setting_in_the_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLEARANCE_NO_AUTH=1\n")
    with pytest.raises(BadConfiguration, match="CLEARANCE_NO_AUTH"):
        loaded(tmp_path)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CLEARANCE_PORT=1000\nCLEARANCE_HOST=0.0.0.0\nOTHER=x\n")
    found = loaded(tmp_path, PORT="2000")
    assert (found.port, found.host) == (2000, "0.0.0.0")


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    found = loaded(tmp_path, LLM_API_KEY_FILE=str(tmp_path / "key"))
    assert found.llm_api_key is not None
    assert found.llm_api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(found)
    with pytest.raises(BadConfiguration, match="CLEARANCE_LLM_API_KEY_FILE"):
        loaded(tmp_path, LLM_API_KEY_FILE=str(tmp_path / "nothing"))


def test_an_example_secret_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="CLEARANCE_LLM_API_KEY"):
        loaded(tmp_path, LLM_API_KEY="change-me")


def test_a_wrong_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="CLEARANCE_PORT"):
        loaded(tmp_path, PORT="many")


def test_no_setting_turns_access_control_off() -> None:
    assert not [
        name
        for name in settings.Settings.model_fields
        if "auth" in name or "access" in name or "anonym" in name
    ]


def test_nothing_but_what_is_handed_over_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_PORT", "4711")
    assert loaded(tmp_path).port == settings.Settings().port == 8080
