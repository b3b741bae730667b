"""Models: each is fitted to counts and gives a module that a bundle can hold."""
