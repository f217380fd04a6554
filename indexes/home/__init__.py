"""A home as a whole, for its operator: copied, put back, checked, and made smaller.

It knows which files a home holds, and shows no title and no text of a document.
"""
