"""Equations and signs of slopes as terms of what training minimises."""
