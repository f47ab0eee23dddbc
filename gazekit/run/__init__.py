"""All of Lightning and Hydra for any system: plain functions of a composed configuration and a run folder."""
