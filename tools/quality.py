"""Quality of the committed weights, measured one way: `make quality` (product figures, one table).

    python tools/quality.py [--json FILE] [--save DIR] [--samples 2000] [--only NAME ...]

A judge (a small CNN) is trained on the train split with a fixed seed. 2,000 sprites are sampled from every weight file,
balanced over the classes, captions drawn from the test split, rounded to 8 bits and not otherwise touched. Every figure is
computed from those.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from notebooks import ROOT, definitions

CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")
CACHE = ROOT / "tools" / ".cache"
VAE_FILE = ROOT / "assets" / "vae_latent_2d_emb4" / "best_vae.pt"
TRAIN, TEST, NOVEL = 0, 1, 2
LDM_SCALE, LDM_ETA = 2.0, 0.0  # guidance scale and fresh noise, as chosen in 03


class Sprites(NamedTuple):
    """A set of sprites: images uint8 (n, 16, 16, 3), labels uint8 (n,), captions (n,)."""

    images: np.ndarray
    labels: np.ndarray
    captions: np.ndarray

    def take(self, index: np.ndarray) -> "Sprites":
        return Sprites(*(array[index] for array in self))


def load(split: int, path: Path = ROOT / "data" / "sprites.npz") -> Sprites:
    """One split of the data file."""
    with np.load(path) as data:
        chosen = data["split"] == split
        return Sprites(data["images"][chosen], data["labels"][chosen], data["captions"][chosen])


def vocabulary(captions: np.ndarray) -> List[str]:
    """All words of the captions, sorted."""
    return sorted({word for caption in captions for word in str(caption).split()})


def word_targets(captions: np.ndarray, words: List[str]) -> torch.Tensor:
    """(n, W) float: 1 where the caption has the word."""
    place = {word: i for i, word in enumerate(words)}
    targets = torch.zeros(len(captions), len(words))
    for row, caption in zip(targets, captions):
        row[[place[word] for word in str(caption).split()]] = 1
    return targets


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, 16, 16, 3) in [0, 255] to float (n, 3, 16, 16) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


class Judge(nn.Module):
    """Reads a sprite: 128 features, 5 class logits, W word logits."""

    def __init__(self, words: int):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.PixelUnshuffle(2), nn.Conv2d(12, 64, 3, padding=1), nn.GroupNorm(8, 64), nn.SiLU()),  # 8x8
            *(nn.Conv2d(64, 96, 3, padding=1, stride=2), nn.GroupNorm(8, 96), nn.SiLU()),  # 4x4
            *(nn.Flatten(), nn.Linear(96 * 16, 128), nn.LayerNorm(128), nn.SiLU()),
        )
        self.classes, self.words = nn.Linear(128, len(CLASSES)), nn.Linear(128, words)


def train_judge(sprites: Sprites, words: List[str], steps: int, seed: int = 0) -> Judge:
    """A judge that has learnt from these sprites alone: class and words together."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge(len(words))
        images, labels = to_tensor(sprites.images), torch.from_numpy(sprites.labels.astype(np.int64))
        targets = word_targets(sprites.captions, words)
        optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(steps):
            index = torch.randint(0, len(images), (128,))
            features = judge.body(images[index])
            loss = F.cross_entropy(judge.classes(features), labels[index])
            loss = loss + 20 * F.binary_cross_entropy_with_logits(judge.words(features), targets[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge.eval()


def the_judge(steps: int = 3000) -> Judge:
    """The judge of the data beside us; trained once, then kept in tools/.cache under a name that has all it depends on."""
    name = hashlib.sha256(
        (ROOT / "data" / "sprites.npz").read_bytes() + Path(__file__).read_bytes()
    ).hexdigest()[:16]
    file, train = CACHE / f"judge-{name}-{steps}.pt", load(TRAIN)
    words = vocabulary(train.captions)
    if file.exists():
        judge = Judge(len(words))
        judge.load_state_dict(torch.load(file, weights_only=True))
        return judge.eval()
    judge = train_judge(train, words, steps)
    CACHE.mkdir(exist_ok=True)
    torch.save(judge.state_dict(), file)
    return judge


@torch.no_grad()
def features(judge: Judge, images: np.ndarray) -> torch.Tensor:
    """Penultimate features (n, 128) of uint8 sprites."""
    return torch.cat([judge.body(batch) for batch in to_tensor(images).split(500)])


def class_accuracy(judge: Judge, sprites: Sprites) -> float:
    """Share of sprites in which the judge sees the class asked for."""
    seen = judge.classes(features(judge, sprites.images)).argmax(1).numpy()
    return float((seen == sprites.labels).mean())


def word_accuracy(judge: Judge, sprites: Sprites, words: List[str]) -> float:
    """Share of the prompts' words that the judge finds in the sprites (probability over one half)."""
    asked = word_targets(sprites.captions, words) > 0
    return float((judge.words(features(judge, sprites.images)) > 0)[asked].float().mean())


def frechet(a: torch.Tensor, b: torch.Tensor, reference: torch.Tensor) -> float:
    """Frechet distance of two sets of features, each divided by its deviation over the reference (Heusel et al. 2017, eq. 6)."""
    deviation = reference.std(0)
    a, b = (x[:, deviation > 1e-6].double() / deviation[deviation > 1e-6].double() for x in (a, b))
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    trace = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace)


def distinct_colours(images: np.ndarray) -> float:
    """Median number of distinct colours in a sprite, each channel rounded to the nearest multiple of 32."""
    codes = ((images.astype(np.int64) + 16) // 32) @ np.array([1, 16, 256])
    return float(np.median([len(np.unique(code)) for code in codes]))


def share_new(images: np.ndarray, train: np.ndarray, tolerance: int = 24) -> float:
    """Share of sprites that no training sprite matches to within `tolerance` levels at every pixel."""
    a, b = (torch.from_numpy(x.reshape(len(x), -1).astype(np.float32)) for x in (images, train))
    new = 0
    for part in a.split(100):
        distance = part.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * part @ b.T  # (100, N)
        for row, image in zip(distance, part):
            near = b[row <= image.numel() * tolerance**2 + 1000]  # a match cannot be further away
            new += not bool(((near - image).abs().amax(1) <= tolerance).any())
    return new / len(images)


def balanced(sprites: Sprites, n: int, seed: int = 0) -> Sprites:
    """n sprites, as many of every class, drawn without replacement where there are enough."""
    rng = np.random.RandomState(seed)
    index = []
    for label in range(len(CLASSES)):
        mine = np.flatnonzero(sprites.labels == label)
        index.append(rng.choice(mine, n // len(CLASSES), replace=n // len(CLASSES) > len(mine)))
    return sprites.take(np.concatenate(index))


class Measure:
    """The judge and the figures of real sprites, against which samples are measured."""

    def __init__(self, samples: int):
        self.samples, self.train, self.test = samples, load(TRAIN), load(TEST)
        self.words = vocabulary(self.train.captions)
        self.judge = the_judge()
        self.test_features = features(self.judge, self.test.images)
        self.real = balanced(self.train, samples)
        self.colours, self.new = (
            distinct_colours(self.test.images),
            share_new(self.test.images, self.train.images),
        )
        self.floor = self.fid(self.real.images)
        self.real_usefulness = self.usefulness(self.real)

    def fid(self, images: np.ndarray) -> float:
        return frechet(features(self.judge, images), self.test_features, self.test_features)

    def usefulness(self, sprites: Sprites) -> float:
        """Accuracy on real test sprites of a judge that has learnt from these alone (Ravuri and Vinyals 2019)."""
        return class_accuracy(train_judge(sprites, self.words, steps=300), self.test)

    def figures(self, sprites: Sprites, words: bool) -> Dict[str, Optional[float]]:
        """All figures of one set of samples; word accuracy only where the words were asked for."""
        return {
            "class_accuracy": class_accuracy(self.judge, sprites),
            "word_accuracy": word_accuracy(self.judge, sprites, self.words) if words else None,
            "sprite_fid": self.fid(sprites.images),
            "sprite_fid_floor": self.floor,
            "crispness": distinct_colours(sprites.images) / self.colours,
            "novelty": share_new(sprites.images, self.train.images) / self.new,
            "usefulness": self.usefulness(sprites),
            "usefulness_real": self.real_usefulness,
            "samples": len(sprites.images),
        }


def to_uint8(x: torch.Tensor) -> np.ndarray:
    """Float (n, 3, 16, 16) in [-1, 1] to uint8 (n, 16, 16, 3): clipped and rounded, not otherwise touched."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def sample_ddpm(steps: int) -> Callable[[Sprites], Dict]:
    """A function that draws the labels of prompts with assets/DDPM/best_ddpm.pt, as 01 does: DDIM, eta = 1, bent steps."""

    def sample(prompts: Sprites) -> Dict:
        nb = definitions("01.ddpm.ipynb")
        model, facts = nb.load_model(ROOT / "assets" / "DDPM" / "best_ddpm.pt")
        alpha_bar = nb.to_alpha_bar(nb.cosine_beta(facts["T"]))
        torch.manual_seed(0)
        start, images = time.process_time(), []
        for labels in torch.from_numpy(prompts.labels.astype(np.int64)).split(250):
            x_T = torch.randn(len(labels), 3, 16, 16)
            images.append(to_uint8(nb.sample(model, x_T, labels, alpha_bar, steps, eta=1.0, bend=0.7)))
        spent = time.process_time() - start
        return {
            "images": np.concatenate(images),
            "sampling_cpu_seconds": spent,
            "training_cpu_seconds": facts["cpu_seconds"],
        }

    return sample


def with_autoencoder() -> ModuleType:
    """The definitions of 03 with the committed autoencoder in place, so that to_latent and to_pixels work."""
    nb = definitions("03.ldm_nano.ipynb")
    nb.vae, facts = nb.load_vae(str(VAE_FILE))
    nb.latent_mean, nb.latent_std = facts["latent_mean"], facts["latent_std"]
    return nb


def load_ldm(switch: str) -> Tuple[ModuleType, torch.nn.Module, Dict]:
    """The definitions of 03, the network of one position of the switch, and the history of its training."""
    nb = with_autoencoder()
    path = str(ROOT / "assets" / f"LDM_{switch}_VAE_4" / "best_ldm.pt")
    model, facts = nb.load_ldm(path)
    nb.check_fit(path, facts, facts["vocabulary"], nb.latent_mean)  # trained with this autoencoder
    return nb, model, facts


def sample_ldm(switch: str, steps: int) -> Callable[[Sprites], Dict]:
    """A function that draws the captions of prompts with the weights of 03, by DDIM with guidance."""

    @torch.no_grad()
    def sample(prompts: Sprites) -> Dict:
        nb, model, facts = load_ldm(switch)
        alpha_bar = nb.to_alpha_bar(nb.cosine_beta(facts["T"]))
        tokens = nb.tokenize(prompts.captions.tolist(), facts["vocabulary"], nb.MAX_WORDS)
        torch.manual_seed(0)
        start, images = time.process_time(), []
        for part in tokens.split(250):
            z_T = torch.randn(len(part), 4, 8, 8)
            images.append(
                to_uint8(
                    nb.to_pixels(nb.sample_latents(model, z_T, part, alpha_bar, steps, LDM_SCALE, LDM_ETA))
                )
            )
        spent = time.process_time() - start
        return {
            "images": np.concatenate(images),
            "sampling_cpu_seconds": spent,
            "training_cpu_seconds": facts["cpu_seconds"],
        }

    return sample


def novel_figures(yard: Measure, sample: Callable[[Sprites], Dict], samples: int) -> Dict[str, float]:
    """Word and class accuracy for prompts whose pairs of words never met in training, balanced over the classes."""
    prompts = balanced(load(NOVEL), min(samples, 1000))
    made = prompts._replace(images=sample(prompts)["images"])
    return {
        "novel_word_accuracy": word_accuracy(yard.judge, made, yard.words),
        "novel_word_accuracy_real": word_accuracy(
            yard.judge, prompts, yard.words
        ),  # what the judge makes of real ones
        "novel_class_accuracy": class_accuracy(yard.judge, made),
    }


@torch.no_grad()
def vae_figures(yard: Measure) -> Dict[str, float]:
    """Test sprites encoded and decoded: PSNR over all pixels, and how far the judge sees them as the same sprites."""
    nb = definitions("02.vae_latent_2d.ipynb")
    model, facts = nb.load_vae(str(VAE_FILE))
    images = to_uint8(nb.decode_all(model, nb.encode_all(model, to_tensor(yard.test.images))[0]))
    restored = yard.test._replace(images=images)
    error = np.square(images.astype(np.float64) - yard.test.images).mean()
    return {
        "psnr": float(10 * np.log10(255**2 / error)),
        "sprite_fid": yard.fid(images),
        "sprite_fid_floor": yard.floor,
        "crispness": distinct_colours(images) / yard.colours,
        "class_accuracy": class_accuracy(yard.judge, restored),
        "word_accuracy": word_accuracy(yard.judge, restored, yard.words),
        "samples": len(images),
        "training_cpu_seconds": facts["cpu_seconds"],
    }


ROWS = {
    "ddpm_ddim20": (sample_ddpm(20), False),
    "ddpm_ddim100": (sample_ddpm(100), False),
    "ldm_qkv_ddim20": (sample_ldm("QKV", 20), True),
    "ldm_qkv_ddim50": (sample_ldm("QKV", 50), True),
    "ldm_concat_ddim20": (sample_ldm("CONCAT", 20), True),
    "ldm_concat_ddim50": (sample_ldm("CONCAT", 50), True),
}


def measure(
    samples: int = 2000, only: Optional[List[str]] = None, save: Optional[Path] = None
) -> Dict[str, Dict]:
    """All figures of all rows, as the flat object that --json writes."""
    yard = Measure(samples)
    result = {
        "real": {**yard.figures(yard.real, words=True), "novelty": None},
        "judge": {
            "class_accuracy": class_accuracy(yard.judge, yard.test),
            "word_accuracy": word_accuracy(yard.judge, yard.test, yard.words),
        },
    }
    prompts = balanced(yard.test, samples)
    for name, (sample, words) in ROWS.items():
        if only and name not in only:
            continue
        out = sample(prompts)
        made = Sprites(out.pop("images"), prompts.labels, prompts.captions)
        result[name] = {**yard.figures(made, words), **out}
        if words:
            result[name].update(novel_figures(yard, sample, samples))
        if save:
            save.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(save / f"{name}.npz", **made._asdict())
    if not only or "vae" in only:
        result["vae"] = vae_figures(yard)
    return result


def table(result: Dict[str, Dict]) -> str:
    """The figures as a Markdown table, a row a weight file and sampler."""
    heads = (
        "class_accuracy",
        "word_accuracy",
        "novel_word_accuracy",
        "sprite_fid",
        "sprite_fid_floor",
        "crispness",
        "novelty",
        "usefulness",
    )
    heads += ("usefulness_real", "psnr", "samples", "training_cpu_seconds", "sampling_cpu_seconds")
    lines = [
        "| | " + " | ".join(head.replace("_", " ") for head in heads) + " |",
        "| --- |" + " --- |" * len(heads),
    ]
    for name, row in result.items():
        cells = (row.get(head) for head in heads)
        text = (
            ""
            if c is None
            else f"{c:.3f}"
            if isinstance(c, float) and c < 20
            else f"{c:.1f}"
            if isinstance(c, float) and c < 100
            else f"{c:.0f}"
            for c in cells
        )
        lines.append(f"| {name} | " + " | ".join(text) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--save", type=Path, help="keep the raw samples in this folder")
    parser.add_argument("--samples", type=int, default=2000, help="sprites to sample (a multiple of 5)")
    parser.add_argument("--only", nargs="+", choices=[*ROWS, "vae"], help="these rows alone")
    args = parser.parse_args()
    figures = measure(args.samples, args.only, args.save)
    print(table(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
