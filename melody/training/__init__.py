"""Learning: a prepared corpus -> a model file. `melody.training.run.fit` is the door; it alone needs Lightning."""
