"""The addresses that speak as OpenAI's do.

Translates; what is answered is decided by the answerer alone.
"""
