"""Small nets of gaze following, and pictures with people for them."""

import torch

SMALL = {"width": 24, "depth": 5, "heads": 3, "patch_px": 8, "grid": 8}


def gaze_batch(pictures=3, people=6, size_px=(64, 64), seed=0):
    """As `gazekit.datasets.gaze_targets` makes them; the picture in the middle has nobody, every third looks out."""
    draw = torch.Generator().manual_seed(seed)
    corner = 0.6 * torch.rand(people, 2, generator=draw)
    labels = (torch.arange(people) % 3 != 2).long()
    point = torch.rand(people, 2, generator=draw)
    way = torch.randn(people, 2, generator=draw)
    return {
        "image": torch.randint(0, 256, (pictures, 3, *size_px), dtype=torch.uint8, generator=draw),
        "picture": torch.tensor([2, 0])[torch.arange(people) % 2] % pictures,
        "head_norm": torch.cat([corner, corner + 0.1 + 0.3 * torch.rand(people, 2, generator=draw)], 1),
        "point_norm": point.masked_fill(labels[:, None] == 0, torch.nan),
        "labels": labels,
        "direction_xy": way / way.norm(dim=1, keepdim=True),
        "size_px": torch.tensor([[200, 100]]).expand(people, -1),
    }


def people_of(batch, index):
    """The batch with some of its people."""
    return {name: x if name == "image" else x[index] for name, x in batch.items()}


def lively(net):
    """With weights that matter: nothing starts at zero, and batch norms know what comes."""
    torch.manual_seed(0)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for norm in norms:
            norm.momentum = 1.0
        batch = gaze_batch()
        net.train().look(net.encode(batch["image"]), batch["picture"], batch["head_norm"])
    return net.eval()
