"""The rollouts that are kept: a log of each, and what is made of it for people, for CI and for a look back."""
