"""Bridges: what acquisition systems send, onto the wire."""
