"""Questions in, cited answers out. The only package that speaks HTTP."""
