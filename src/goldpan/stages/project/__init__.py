"""Project: smaller vectors for faster search, and how much recall they leave."""
