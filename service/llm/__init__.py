"""The door to language models: the port, the servers behind it, their tokenizers, who may use
which.

It knows nothing of documents.
"""
