"""From corpora to what ships: the embedded tagger and the grounder's coefficients.

The tagger needs the extra ``train``; fitting the grounder needs only the core.
"""
