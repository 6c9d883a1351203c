"""One run of `fab`: its hosts, the connections to them, what it holds and what it knows."""
