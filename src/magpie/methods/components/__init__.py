"""Parts that any tagger can switch on: ``switches`` has the settings, ``ideas`` the work."""
