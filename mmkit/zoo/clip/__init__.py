"""tiny-clip: a CLIPModel that finds the caption of a picture, and the picture of a caption, in the shapes world."""
