"""The page: what main and production are, and how well models ship, in one HTML file."""
