"""The search server: clip-retrieval's HTTP API, an API of our own, and the search page."""
