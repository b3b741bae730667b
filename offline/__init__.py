"""Scripts that make, train, measure and compare: nothing of it runs on a rig."""
