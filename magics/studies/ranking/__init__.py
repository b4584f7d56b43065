"""What a spread over ranks needs beyond the measurements: equal models, and doubts."""
