"""What advice is made of: looks, changes, trying them, verdicts."""
