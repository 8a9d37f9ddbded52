"""Measures in one wording for the notebooks and `make quality`: torch alone, and nothing global.

Distinct colours and shares of copies may be compared wherever they were computed. A Frechet distance belongs
to the network whose features it was computed from: the small reader networks inside the notebooks are not the
judges of `make quality`, so distances printed in a notebook may be compared only within that notebook.
"""

from typing import Tuple

import torch
from torch import Tensor
from torch.nn import functional as F


def frechet(a: Tensor, b: Tensor, scale: Tensor) -> Tuple[float, float]:
    """Frechet distance of features (n, d) and (m, d) as the two terms it is the sum of: means, covariances.

    Each feature is divided by its scale (d,), the standard deviation over a reference set; features that
    never vary there are dropped. Heusel et al. 2017, eq. 6.
    """
    used = scale > 1e-6
    a, b = (x[:, used].double() / scale[used].double() for x in (a, b))
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T  # (d, d): the square root of the first covariance
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return means.item(), (cov_a.trace() + cov_b.trace() - 2 * cross).item()


def distinct_colours(images: Tensor) -> float:
    """Median number of colours in a sprite of uint8 (n, H, W, 3), channels rounded to multiples of 32."""
    codes = ((images.long() + 16) // 32 * torch.tensor([1, 16, 256])).sum(-1)  # (n, H, W): colours as numbers
    codes = codes.flatten(1).sort(1)[0]  # (n, H*W)
    return (1 + (codes[:, 1:] != codes[:, :-1]).sum(1)).double().quantile(0.5).item()


def distance_to_nearest(images: Tensor, train: Tensor, candidates: int = 3, window: int = 3) -> Tensor:
    """How far each sprite of uint8 (n, H, W, 3) is from being a copy of a training sprite, in levels (n,).

    Two sprites are compared by the means of their colours over every window of 3x3 pixels: noise and blur
    average out there, another face, colour or tool does not. Their distance is the largest difference of
    such a mean. The smallest distance counts: over moves by up to a pixel (what both have in common is
    compared), over shades (the training sprite as it is, or with its colours multiplied by 0.8 to 1.25, seen
    from black or from white), and over a few candidates for each move, the nearest training sprites by the
    squared error of window means.
    """
    height, width = images.shape[1:3]
    best = torch.full((len(images),), float("inf"))
    for dy, dx in ((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
        rows, columns = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
        rows_b, columns_b = slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0))
        a = images[:, rows, columns].permute(0, 3, 1, 2).float()  # (n, 3, h, w): the part both have in common
        b = train[:, rows_b, columns_b].permute(0, 3, 1, 2).float()
        code_a, code_b = (F.avg_pool2d(x, window, 2).flatten(1) for x in (a, b))
        squares = code_b.square().sum(1)
        for i in range(0, len(a), 200):
            error = squares - 2 * code_a[i : i + 200] @ code_b.T  # squared error less a constant of each row
            for index in error.topk(candidates, largest=False)[1].T:
                x, y = a[i : i + 200], b[index]
                for bright, dark in ((x, y), (255 - x, 255 - y)):  # a gain seen from black, then from white
                    free = dark * (bright < 250)  # what is clipped says nothing about the gain
                    gain = (bright * free).sum((1, 2, 3)) / free.square().sum((1, 2, 3)).clamp(min=1)
                    for g in (torch.ones(()), gain.clamp(0.8, 1.25).view(-1, 1, 1, 1)):
                        difference = F.avg_pool2d(bright - (g * dark).clamp(max=255), window, 1)
                        largest = difference.abs().flatten(1).amax(1)
                        best[i : i + 200] = torch.minimum(best[i : i + 200], largest)
    return best


def copies(images: Tensor, train: Tensor, limit: float) -> Tensor:
    """(n,) bool: which sprites of uint8 (n, H, W, 3) lie nearer to a training sprite than limit levels."""
    return distance_to_nearest(images, train) < limit
