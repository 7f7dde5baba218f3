"""Turn the images or captions of a workspace into vectors."""
