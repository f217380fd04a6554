"""What `clearance doctor` says of the confinement of parsers."""

import pytest

from ingest.cli.checks import CHECKS, judge_confinement
from ingest.isolation.confinement import LAYERS, Confinement

ALL = frozenset(LAYERS)


@pytest.mark.parametrize(
    ("held", "required", "state"),
    [
        (Confinement(ALL), True, "good"),
        (Confinement(ALL - {"processes"}), False, "advice"),
        (Confinement(ALL - {"processes"}), True, "wrong"),
        (Confinement(ALL - {"network"}), False, "wrong"),
        (Confinement(ALL, exposed=("/srv/home",)), False, "wrong"),
    ],
)
def test_what_holds_parsers_is_told_with_what_to_do(held, required, state) -> None:
    finding = judge_confinement(held, required=required)
    assert finding.state == state
    assert (finding.remedy is None) == (state == "good")


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_that_is_missing_has_a_remedy(layer) -> None:
    assert judge_confinement(Confinement(ALL - {layer}, by_root=True), required=False).remedy


def test_ingestion_has_its_check() -> None:
    assert [check.name for check in CHECKS] == ["confinement"]
