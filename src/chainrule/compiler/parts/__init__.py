"""Functions that are no one program: cut where Python does what a program cannot repeat, and compiled in between."""
