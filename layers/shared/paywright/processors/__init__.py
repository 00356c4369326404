"""Payment processors behind one protocol."""
