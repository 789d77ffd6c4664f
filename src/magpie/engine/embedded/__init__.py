"""The tagger that ships inside the package: its files, input features and decoding."""
