"""Worlds that make their own pictures, sounds and questions, and the training and scoring of the shipped models."""
