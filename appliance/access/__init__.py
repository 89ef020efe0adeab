"""Credential to Decision: pure rules."""
