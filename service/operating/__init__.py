"""What operators see of a running service: logs, metrics, health.

Knows no question, no person and no document.
"""
