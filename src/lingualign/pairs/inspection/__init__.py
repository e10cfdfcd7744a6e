"""What pairs look like: figures, and how they are told as text and as a page."""
