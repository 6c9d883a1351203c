"""Files that age has encrypted (age-encryption.org/v1): who can read them, and with what."""
