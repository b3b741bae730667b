"""Recorded sessions as live streams, and the demo that shows it all."""
