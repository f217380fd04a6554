"""What the model is told: a small language, drafts, versions, and which one answers whom.

It knows no question and no model server.
"""
