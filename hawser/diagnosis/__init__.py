"""What is wrong, in words, and the command to type next."""
