"""What is sent to phones, of which there is nothing here."""
