"""Keyword search with the statistics of the caller's view."""

from indexes.keywords.index import K1, B, KeywordIndex

__all__ = ["K1", "B", "KeywordIndex"]
