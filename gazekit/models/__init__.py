"""Models of where people look next: one room a system."""
