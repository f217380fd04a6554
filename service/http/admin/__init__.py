"""Administration over HTTP: rebuilds, templates, models. Returns no text of a document."""
