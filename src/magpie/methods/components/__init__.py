"""Parts that any tagger can switch on; the switches are in ``ideas``."""
