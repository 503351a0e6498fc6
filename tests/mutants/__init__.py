"""Deliberately broken variants of the program, each of which the other tests must catch."""
