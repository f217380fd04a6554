"""Files in, chunks and vectors out: a batch command and a worker. Knows no question and no answer."""
