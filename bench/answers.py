"""Moved: see `bench.labelled`; answers are measured by `clearance eval`."""

from bench.labelled import DATA, rows, store

__all__ = ["DATA", "rows", "store"]
