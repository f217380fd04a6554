"""The addresses of the service and all that stands around a request.

Decides nothing about who may read what.
"""
