"""Index engines behind one protocol: exact, inverted files, graphs; ours and other people's."""
