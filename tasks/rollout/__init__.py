"""The parts of a rollout."""
