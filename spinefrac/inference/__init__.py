"""Answers from a saved model, by ONNX Runtime and without TensorFlow.

`predictor` gives probability and heat map in one forward pass, `input_check` says whether a
slice is like those the model was trained on.
"""
