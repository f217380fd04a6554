"""Keyword search with the statistics of the caller's view."""

from indexes.keywords.index import B, K1, KeywordIndex

__all__ = ["B", "K1", "KeywordIndex"]
