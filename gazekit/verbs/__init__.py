"""What the verbs of the command line do, as plain functions of a composed configuration."""
