"""The jobs of the studio: each a function that takes a bench and an order, and sends messages (`melody.studio.bench`)."""
