"""What a comparison is made of: layers that match, and doubts."""
