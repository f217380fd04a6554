"""People whom an identity provider vouches for (OpenID Connect): their tokens, and the sign-in of
the page.

Knows no document. What a person may read is looked up by whatever reads, as for API keys.
"""
