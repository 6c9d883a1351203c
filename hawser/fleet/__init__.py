"""Many hosts at once: phases, batches, releases, and what happens on failure."""
