"""Saved models: their cards, files, annotations, evaluations and lineage.

`card` is the record that every saved model carries, `repository` lists, verifies and loads models,
`saving` makes a new one appear by one rename, `manage` renames, archives, deletes and restores
them. Nothing here needs TensorFlow.
"""
