"""Pre-trained encoders by hub name or folder, and their tiny random twins built offline."""

from magpie.backbones.base import Backbone, from_folder
from magpie.backbones.seq2seq import Seq2Seq, load_seq2seq
from magpie.backbones.text import TextEncoder, load_text
from magpie.backbones.vision import VisionEncoder, load_vision
from magpie.backbones.words import WordVectors, load_words

__all__ = [
    "Backbone",
    "Seq2Seq",
    "TextEncoder",
    "VisionEncoder",
    "WordVectors",
    "from_folder",
    "load_seq2seq",
    "load_text",
    "load_vision",
    "load_words",
]
