"""The runner as the helper of deploy users: root's own, for signed requests, and for one application alone."""
