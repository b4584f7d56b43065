"""What a notebook says, without running it."""
