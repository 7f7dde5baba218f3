"""Files of vectors, ground truth and images: one file a format, read and written."""
