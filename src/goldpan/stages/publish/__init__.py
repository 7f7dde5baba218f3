"""Write a release in another layout."""
