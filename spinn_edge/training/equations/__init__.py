"""Small frozen problems with which training steps are compared, one equation a file."""
