"""Pretraining: what a network learns about fracture lines before it sees a data set.

`phantom_slices` renders phantoms that nothing is measured on, `phantom_masks` trains `compact` on
them with the mask of every fracture, `figures` measures the result, and ``python -m
spinefrac.training.pretraining`` makes the weights that the package brings of it. `drawn_lines` is
a shorter practice on a data set's own slices, for networks from random weights.
"""
