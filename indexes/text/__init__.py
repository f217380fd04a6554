"""What is known about languages: scripts, sentences, words. Knows no document and no person."""
