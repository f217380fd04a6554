"""Stand-ins that tests use where they need determinism or speed. Nothing in the product knows them."""
