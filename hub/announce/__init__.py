"""Tells the outside of every change of an event's state, when a topic is configured for it."""
