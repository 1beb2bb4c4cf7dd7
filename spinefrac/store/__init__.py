"""Saved models: how they are written, what they say of themselves, how they are read back.

`card` is the record that every saved model carries, `ensemble` makes one Keras model and one
ONNX file of the fold models, `write` saves a model by one rename, and `saved` lists, verifies
and loads. Only `ensemble` and `write.save` need TensorFlow; reading never does.
"""
