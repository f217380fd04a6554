"""The corpus and who may read it: catalog, view, vectors, keywords, search, rebuild.

No HTTP, no parsing.
"""
