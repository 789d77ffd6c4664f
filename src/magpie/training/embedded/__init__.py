"""How the embedded tagger was made: pre-training, fine-tuning, distillation, export.

``python -m magpie.training.embedded all --data DIR --out DIR`` runs the whole recipe. Every step
can be run alone; each writes one file that the next step reads. See ``docs/model-card.md``.
"""
