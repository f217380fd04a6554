"""Keyword search with the statistics of the caller's view: `index` is the door."""
