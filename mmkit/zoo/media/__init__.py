"""The media of the course, each made by `python -m mmkit.zoo.media.NAME data`."""
