"""Many hosts at once: phases, batches, releases, and the reaction to failures."""
