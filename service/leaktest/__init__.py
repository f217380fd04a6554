"""Attacks on a running service: whether it tells anybody of what they may not read.

Knows nothing of ingestion.
"""
