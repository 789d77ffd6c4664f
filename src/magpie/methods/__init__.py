"""Published methods, one module each; :mod:`magpie.methods.registry` lists them."""
