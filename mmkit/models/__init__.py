"""Models of our own, each a package that could be published by itself: nothing in them imports mmkit."""
