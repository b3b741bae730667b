"""The panels: widgets that draw a `DisplayState` and know nothing of LSL."""
