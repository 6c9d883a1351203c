"""What the analysis runs, of which there is nothing here."""
