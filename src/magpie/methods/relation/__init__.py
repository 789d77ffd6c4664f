"""Multimodal relation extraction."""
