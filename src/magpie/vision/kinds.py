"""What kinds of pictures are called, and the note of a document that names one."""

__all__ = ["KINDS", "KIND_SOURCE"]

#: the first one is the one that may speak
KINDS = ("photo", "meme_or_sticker", "cartoon_or_drawing", "abstract_or_graphic")

#: source of ContextText notes that name the kind of a post's picture
KIND_SOURCE = "picture-kind"
