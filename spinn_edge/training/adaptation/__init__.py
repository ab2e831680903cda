"""Learning from a stream: the last layers of a deployed network follow new labelled rows.

Every batch is predicted before it is learnt, and nothing is learnt that a guard refuses.
"""
