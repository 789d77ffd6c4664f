"""Text: words and their offsets, tag schemes, and the way between words and characters."""
