"""Measuring prompts: question sets put through the real path, compared, and thresholds calibrated
from them.

It knows no HTTP and opens nothing itself: what answers here is what `service.runtime` opens for
callers, too. It decides nothing about who may read what; it counts what a wrong decision would show.
"""
