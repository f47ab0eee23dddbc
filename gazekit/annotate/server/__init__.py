"""A session over HTTP: the annotation page, its JSON interface, and a backend for Label Studio."""
