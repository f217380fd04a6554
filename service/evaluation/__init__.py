"""Measuring prompts: question sets put through the real path, compared, and thresholds calibrated
from them.
"""
