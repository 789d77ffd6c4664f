"""Layers and losses that several methods share. Needs torch (the extra ``train``)."""
