"""Keras models of other tools: reading their files, and telling what they return."""
