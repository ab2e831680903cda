"""Figures for papers, PNG and SVG, from recorded results alone."""
