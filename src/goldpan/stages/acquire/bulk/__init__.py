"""Large files that are published beside each other: shards of embeddings and metadata, indexes, benchmarks."""
