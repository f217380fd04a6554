"""From a question to the best passages that its caller may read.

It knows no HTTP, and not how the indexes follow the catalog.
"""
