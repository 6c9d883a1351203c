"""One run of `fab`: its hosts, the connections to them, its secrets and its progress."""
