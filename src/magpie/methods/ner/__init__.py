"""Multimodal named entity recognition."""
