"""Who acts is a name in one of three forms, and nothing else can be stored as one."""

import pytest

from indexes.cli.common import command_line_actor
from indexes.model import Actor, Principal


@pytest.mark.parametrize(
    "name", ["user:ada", "user:王芳", "cli:root", "cli:1000", "system:rebuild"]
)
def test_people_the_command_line_and_the_service_itself_can_act(name: str) -> None:
    assert Actor(name).name == name


@pytest.mark.parametrize(
    "name", ["", "root", "user:", "cli: ", "group:hr", "public", "cli:a\nb", "user:" + "x" * 300]
)
def test_what_names_no_actor_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names no actor"):
        Actor(name)


def test_a_caller_acts_under_its_own_name_and_a_command_under_that_of_its_process() -> None:
    assert Actor.of(Principal(name="user:ada")) == Actor("user:ada")
    assert command_line_actor().name.startswith("cli:")
