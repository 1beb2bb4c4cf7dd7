"""Predictions of a saved model, by ONNX Runtime and without TensorFlow.

`predictor` gives probability and heat map in one forward pass, `input_check` tells whether a
slice is similar to the training slices.
"""
