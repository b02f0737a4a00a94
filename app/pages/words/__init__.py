"""What the pages' templates and the server say to people: a module per page, all sentences whole.

English. Another language is a folder of modules with the same names in them. The scripts' sentences: static/words.
"""

from app.pages.words import away, chat, claims, crowd, home, layout, limits, modes, problem, race

__all__ = ["away", "chat", "claims", "crowd", "home", "layout", "limits", "modes", "problem", "race"]
