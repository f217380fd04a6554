"""Progress on a terminal and elsewhere."""

import io

import pytest

from indexes.cli.terminal import show_progress


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("out", "redrawn"), [(Screen(), True), (io.StringIO(), False)])
def test_a_terminal_gets_a_bar_and_a_file_only_lines_and_no_line_steers_either(out, redrawn):
    with show_progress(out, "Counting") as shown:
        assert shown.redrawn is redrawn
        shown.update(1, 2, "5 words/s")
        shown.say("a\x1b[2J[bold]b")
        shown.update(2, 2)
    told = out.getvalue()
    assert ("Counting" in told) is redrawn
    assert ("2/2" in told) is redrawn
    assert "[bold]b" in told
    assert "\x1b[2J" not in told
