"""What a shell completes: a list that ordinary runs keep, and the shells' functions that read it."""
