"""Processes in which a stranger's file can do no harm, and the way to talk to them.

Knows no format.
"""
