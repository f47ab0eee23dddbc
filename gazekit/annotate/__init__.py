"""The annotation loop: people label gaze targets, a model learns from the labels and asks about what it is unsure of.

Data flow one way: `project` (what people and machines labelled) -> `model` (learns from it and predicts) and `exchange`
(files of other tools) -> `session` (one project while people work on it) -> `server` (the page over HTTP).
"""
