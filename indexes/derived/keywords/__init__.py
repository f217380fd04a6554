"""Keyword search with the statistics of the caller's view: `index` is the door.

It knows rows, reader sets and texts, and neither the catalog nor who reads what.
"""
