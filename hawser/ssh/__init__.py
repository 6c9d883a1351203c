"""SSH: connections and host keys, and the wire over which a host's runner is spoken to."""
