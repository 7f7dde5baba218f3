"""Encoders: images and texts to vectors, named by a spec such as ``phash:8`` or ``onnx:DIR``."""
