"""One rule for the end of every command."""

import pytest
import typer

from indexes.cli import main as command
from indexes.errors import BadConfiguration, BadInput, Busy, ClearanceError, NotFound


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("No folder."), 2),
        (BadConfiguration("No port."), 2),
        (NotFound("No user."), 1),
        (Busy("Another run."), 1),
    ],
)
def test_wrong_use_ends_with_2_and_what_fails_with_1(
    error: ClearanceError,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer()

    @app.callback(invoke_without_command=True)
    def fail() -> None:
        raise error

    monkeypatch.setattr(command, "app", app)
    monkeypatch.setattr(command, "entry_points", lambda group: [])
    monkeypatch.setattr("sys.argv", ["clearance"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == code
    assert str(error) in capsys.readouterr().err
