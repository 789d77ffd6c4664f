"""Fits and measures the coefficients of :class:`magpie.engine.grounding.LocalGrounder`.

::

    python -m magpie.training.grounding fit --data FOLDER        # writes matcher.json
    python -m magpie.training.grounding evaluate --data FOLDER   # the tables of docs/grounding.md

``evaluate`` also measures the grounder on published crops (``crops``) and together with the tagger
(``end_to_end``).

What is fitted on what: whether an entity shows, and the types' usual places, on the boxes and
published captions of FMNERG's training split; faces and bodies on tiny_coco's people. No picture
of a tweet takes part in any fit, because only 29 of them exist here and they are what the result
is measured on. Needs numpy only, no torch.
"""
