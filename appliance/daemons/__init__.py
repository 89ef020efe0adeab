"""The three wiring diagrams."""
