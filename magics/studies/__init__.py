"""Questions asked of several profiles."""
