"""From a question to a cited answer: what is searched for, the passages, the prompt and its budget,
the citations.

It knows no HTTP, and reads passages through the search alone.
"""
