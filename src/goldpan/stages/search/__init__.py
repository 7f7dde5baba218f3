"""Find images by text, image, id or vector among the vectors of a workspace."""
