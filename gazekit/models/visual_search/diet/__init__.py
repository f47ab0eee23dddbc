"""Nets that grow up on a diet of pictures, and then search."""
