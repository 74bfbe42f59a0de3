"""The studio's pages: a module per stage of the journey, which do not know each other."""
