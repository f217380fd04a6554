"""Retrieval quality: over whole sets beside published numbers, and inside permissions on the
product's own path.
"""
