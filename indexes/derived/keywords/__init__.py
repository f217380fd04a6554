"""Keyword search with the statistics of the caller's view."""

from indexes.derived.keywords.index import K1, B, KeywordIndex, digest_of

__all__ = ["K1", "B", "KeywordIndex", "digest_of"]
