"""Every error has one place in HTTP, and tells the caller nothing of the inside."""

import pytest

from indexes import errors
from service.http import problems


def every_error(
    base: type[errors.ClearanceError] = errors.ClearanceError,
) -> list[type[errors.ClearanceError]]:
    return [base, *(deeper for cls in base.__subclasses__() for deeper in every_error(cls))]


@pytest.mark.parametrize("error", every_error())
def test_no_error_tells_what_is_inside(error: type[errors.ClearanceError]) -> None:
    secret = "postgresql://clearance:hunter2@db/var/lib"
    said = problems.problem_of(error(secret, remedy=secret))
    assert (secret in str(said.body("id"))) == said.kind.shows_detail
    assert issubclass(error, errors.BadInput) or not said.kind.shows_detail


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadFilter, 422),
        (errors.QuestionTooLong, 413),
        (errors.BadConfiguration, 500),
        (errors.NotFound, 404),
        (errors.NotAuthenticated, 401),
        (errors.NotPermitted, 403),
        (errors.Busy, 503),
        (errors.GeneratorUnavailable, 503),
        (errors.GeneratorTimeout, 504),
        (errors.GeneratorBroken, 502),
        (errors.ModelMismatch, 503),
        (errors.IndexDamaged, 503),
        (errors.SourceBroken, 500),
    ],
)
def test_each_error_has_its_status(error: type[errors.ClearanceError], status: int) -> None:
    assert problems.problem_of(error()).kind.status == status


@pytest.mark.parametrize(
    "error", [errors.GeneratorUnavailable, errors.GeneratorTimeout, errors.Busy]
)
def test_what_may_be_tried_again_says_when(error: type[errors.ClearanceError]) -> None:
    assert int(problems.problem_of(error()).response("id").headers["Retry-After"]) > 0


def test_a_missing_key_is_told_which_kind_of_key() -> None:
    assert (
        problems.problem_of(errors.NotAuthenticated())
        .response("id")
        .headers["WWW-Authenticate"]
        .startswith("Bearer")
    )


def test_every_type_has_a_page_and_its_own_slug() -> None:
    kinds = {
        id(kind): kind for kind in [*problems.BY_ERROR.values(), *problems.KINDS.values()]
    }.values()
    assert len({kind.slug for kind in kinds}) == len(kinds)
    for slug in problems.KINDS:
        found = problems.problem_page(slug)
        assert found is not None
        assert slug.encode() in found.body


def test_a_validation_problem_points_at_fields_and_repeats_no_value() -> None:
    location = ("body", "filters", "a/b~c")
    said = problems.problem_of_validation(
        [{"type": "extra_forbidden", "loc": location, "msg": "Not permitted", "input": "X1"}]
    )
    assert said.errors == ({"pointer": "/filters/a~1b~0c", "detail": "Not permitted"},)
    assert "X1" not in str(said.body("id"))
