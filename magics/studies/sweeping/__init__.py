"""What a sweep is made of: axes, points, the book of what runs next, its file."""
