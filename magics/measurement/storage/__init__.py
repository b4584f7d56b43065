"""Memory: which storage lives how long, and what is kept for the backward."""
