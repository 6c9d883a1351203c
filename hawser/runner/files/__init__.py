"""Files, folders and links; settings made of samples; files that an operator brings."""
