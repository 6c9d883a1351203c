"""Files, folders and links; settings made of samples; what an operator brings."""
