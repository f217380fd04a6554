"""Whether what was found answers a question, and which sentences do."""
