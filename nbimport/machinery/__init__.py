"""How a notebook becomes a module, in importlib's words."""
