"""What scanpath models share: protocol, sampler, likelihood, relations, baselines, and how positions are compared."""
