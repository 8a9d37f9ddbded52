"""Measures in one wording for `make quality` and the tests: torch alone, and nothing global.

Distinct colours and novelty may be compared wherever they were computed. Fréchet and kernel distances belong
to the network whose features they were computed from, so they may be compared only within one table.
"""

from itertools import product

import torch


def standardised(x, reference):
    """Features (n, d) in double precision, so that those of a reference set have mean 0 and deviation 1.

    Features that never vary there are dropped.
    """
    mean, std = reference.double().mean(0), reference.double().std(0)
    return ((x - mean) / std)[:, std > 1e-6]


def frechet(a, b):
    """Fréchet distance of features (n, d) and (m, d) as the two terms it is the sum of: means, covariances.

    Heusel et al. 2017, eq. 6.
    """
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T  # (d, d): the square root of the first covariance
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return means.item(), (cov_a.trace() + cov_b.trace() - 2 * cross).item()


def kernel_distance(a, b):
    """KID of features (n, d) and (m, d): the unbiased squared MMD with the kernel (x y / d + 1)^3.

    About 0, also below it, for two sets of one distribution, however few. Bińkowski et al. 2018.
    """
    aa, bb, ab = ((x @ y.T / x.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    own = sum((k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (aa, bb))  # no x with itself
    return (own - 2 * ab.mean()).item()


def distinct_colours(images):
    """Median number of colours in a sprite of uint8 (n, H, W, 3), channels rounded to multiples of 32."""
    codes = ((images.long() + 16) // 32 * torch.tensor([1, 16, 256])).sum(-1)  # (n, H, W): colours as numbers
    codes = codes.flatten(1).sort(1)[0]  # (n, H*W)
    return (1 + (codes[:, 1:] != codes[:, :-1]).sum(1)).double().quantile(0.5).item()


def shared_part(images, dy, dx):
    """What images uint8 (n, H, W, 3) share with moved ones, as rows (n, h*w*3)."""
    height, width = images.shape[1:3]
    rows = slice(max(dy, 0), height + min(dy, 0))
    columns = slice(max(dx, 0), width + min(dx, 0))
    return images[:, rows, columns].float().flatten(1)


def distance_to_nearest(images, real):
    """Root mean square difference (n,), in levels, to the nearest of some real sprites.

    Both uint8 (n, H, W, 3). The smallest over moves by up to a pixel counts.
    """
    best = torch.full((len(images),), float("inf"))
    for dy, dx in product((-1, 0, 1), repeat=2):
        a, b = shared_part(images, dy, dx), shared_part(real, -dy, -dx)
        squares = b.square().sum(1)  # (m,)
        for i in range(0, len(a), 250):
            part = a[i : i + 250]
            error = squares - 2 * part @ b.T + part.square().sum(1, keepdim=True)
            nearest = error.amin(1) / a.shape[1]  # (250,): mean squares
            best[i : i + 250] = torch.minimum(best[i : i + 250], nearest)
    return best.clamp(min=0).sqrt()


def novelty(images, train, held_out):
    """The share of new sprites, estimated from whose neighbours uint8 images are.

    A copy lies nearest to the training sprite it was made from. A new sprite lies nearest
    to a held-out sprite as often as held-out sprites occur among real ones; as often as
    that, or more often, counts as 1. After Meehan, Chaudhuri and Dasgupta 2020.
    """
    nearer = distance_to_nearest(images, held_out) < distance_to_nearest(images, train)
    by_chance = len(held_out) / (len(held_out) + len(train))
    return min(1.0, nearer.float().mean().item() / by_chance)
