"""The addresses by which a directory brings people and groups (SCIM 2.0).

The protocol is a library's: it reads requests, applies changes and words replies. What becomes of
them is decided in `indexes.catalog.directory`. The library is imported here alone, and when the first
directory comes.
"""
