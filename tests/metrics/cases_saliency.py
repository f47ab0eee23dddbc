"""Cases of the metrics of saliency maps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Batch, Case
from torch import Tensor

import gazekit.metrics as m
import gazekit.metrics.functional as f
from gazekit.scanpath import Scanpaths

__all__ = ["CASES"]

HEIGHT, WIDTH = 10, 14


def random_fixations(draw: torch.Generator, *shape: int, longest: int = 9) -> Scanpaths:
    """From 1 to `longest` on the map; padding holds rubbish, off the map, that must not matter."""
    size = torch.tensor([WIDTH, HEIGHT])
    xy = torch.rand(*shape, longest, 2, generator=draw, dtype=torch.float64) * size
    mask = torch.arange(longest) < torch.randint(1, longest + 1, (*shape, 1), generator=draw)
    return Scanpaths(torch.where(mask[..., None], xy, -7.0), mask)


def images_batch(seed: int) -> Batch:
    """Six images: the first one has no fixation, the second a constant map."""
    draw = torch.Generator().manual_seed(seed)
    saliency = torch.randn(6, HEIGHT, WIDTH, generator=draw, dtype=torch.float64)
    saliency[1] = 3
    fixations = random_fixations(draw, 6)
    fixations.mask[0] = False
    truth = f.fixation_density(fixations, (WIDTH, HEIGHT), sigma_px=2)
    baseline = f.center_bias_density((WIDTH, HEIGHT), sigma_px=4).expand(6, HEIGHT, WIDTH)
    return {
        "saliency": saliency,
        "fixations": fixations,
        "other_fixations": random_fixations(draw, 6, longest=20),
        "empirical_density": truth,
        "model": f.density_of_map(saliency, 0.01),
        "baseline": baseline,
    }


def likelihood_batch(seed: int) -> Batch:
    batch = images_batch(seed)
    return {name: batch[name] for name in ("fixations", "baseline")} | {"density": batch["model"]}


def steps_batch(seed: int) -> Batch:
    """Five scanpaths, one of which is empty; a constant map at one step; rubbish in the padding's maps."""
    draw = torch.Generator().manual_seed(seed)
    scanpaths = random_fixations(draw, 5, longest=4)
    scanpaths.mask[0] = False
    saliency = torch.rand(5, 4, HEIGHT, WIDTH, generator=draw, dtype=torch.float64)
    saliency[1, 0] = 3
    density = f.density_of_map(saliency)
    saliency[~scanpaths.mask] = torch.nan
    density[~scanpaths.mask] = torch.nan
    baseline = f.center_bias_density((WIDTH, HEIGHT), sigma_px=4).expand_as(density)
    maps = {"saliency": saliency, "density": density, "baseline": baseline}
    return {"scanpaths": scanpaths} | {f"conditional_{name}": values for name, values in maps.items()}


def over_images(score: Callable[..., Tensor], names: str) -> Callable[[list[Batch]], Tensor]:
    """Mean over images, one image at a time."""

    def expected(batches: list[Batch]) -> Tensor:
        images = []
        for batch in batches:
            arguments = [batch[name] for name in names.split()]
            images += [score(*(argument[i] for argument in arguments)) for i in range(len(arguments[0]))]
        return torch.stack(images).nanmean()

    return expected


def over_steps(score: Callable[..., Tensor], names: str) -> Callable[[list[Batch]], Tensor]:
    """Mean over fixations, one scanpath at a time."""

    def expected(batches: list[Batch]) -> Tensor:
        steps = []
        for batch in batches:
            arguments = [batch[name] for name in names.split()]
            steps += [score(*(argument[i] for argument in arguments)) for i in range(len(arguments[0]))]
        return torch.cat(steps).nanmean()

    return expected


READ, PAIR, OTHER = "saliency fixations", "saliency empirical_density", "saliency fixations other_fixations"

CASES = {
    "auc": Case(m.AUC, images_batch, over_images(f.auc, READ)),
    "auc_judd": Case(m.AUCJudd, images_batch, over_images(f.auc_judd, READ)),
    "auc_borji": Case(m.AUCBorji, images_batch, over_images(f.auc_borji, READ)),
    "shuffled_auc": Case(m.ShuffledAUC, images_batch, over_images(f.shuffled_auc, OTHER)),
    "auc_shuffled_matlab": Case(m.ShuffledAUCMatlab, images_batch, over_images(f.auc_shuffled_matlab, OTHER)),
    "nss": Case(m.NSS, images_batch, over_images(f.nss, READ)),
    "correlation_coefficient": Case(m.CC, images_batch, over_images(f.correlation_coefficient, PAIR)),
    "similarity": Case(m.SIM, images_batch, over_images(f.similarity, PAIR)),
    "kld": Case(m.KLD, images_batch, over_images(f.kld, PAIR)),
    "earth_movers_distance": Case(
        lambda: m.EMD(grid=(3, 4)),
        images_batch,
        over_images(lambda s, q: f.earth_movers_distance(s, q, grid=(3, 4)), PAIR),
    ),
    "log_likelihood_nats": Case(
        m.LogLikelihood, likelihood_batch, over_images(f.log_likelihood_nats, "density fixations")
    ),
    "map_information_gain_bits": Case(
        m.MapInformationGain,
        likelihood_batch,
        over_images(f.map_information_gain_bits, "density baseline fixations"),
    ),
    "conditional_auc": Case(
        m.ConditionalAUC, steps_batch, over_steps(f.conditional_auc, "conditional_saliency scanpaths"), False
    ),
    "conditional_nss": Case(
        m.ConditionalNSS, steps_batch, over_steps(f.conditional_nss, "conditional_saliency scanpaths")
    ),
    "conditional_information_gain_bits": Case(
        m.ConditionalInformationGain,
        steps_batch,
        over_steps(f.conditional_information_gain_bits, "conditional_density conditional_baseline scanpaths"),
        False,
    ),
}
