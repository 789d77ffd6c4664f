"""What generating methods write and how it is read back: one file a grammar, no torch in a parser.

docs/methods/targets.md has the table of the grammars and the rules that they share.
"""
