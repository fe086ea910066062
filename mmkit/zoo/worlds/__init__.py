"""Worlds: scenes, charts and clips drawn at random, whose answers are right by construction."""
