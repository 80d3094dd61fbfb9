"""A small shop for a preforking server: the master loads the catalogue, workers serve from it."""
