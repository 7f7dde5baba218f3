"""Run index engines against each other on data sets with exact truth, and report what came out."""
