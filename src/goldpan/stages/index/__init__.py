"""Index: build a servable index folder from vectors, search it, add to it, remove from it."""
