"""The checks of the machine, the home and the catalog."""

from indexes.cli.doctor import catalog, home, installation

CHECKS = (*installation.CHECKS, *home.CHECKS, *catalog.CHECKS)
