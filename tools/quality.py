"""Quality of the committed weights, measured one way: `make quality`.

    python tools/quality.py [--json FILE] [--md FILE] [--save DIR] [--samples N] [--seeds N] [--only ROW ...]

From every weight file 2,000 sprites are drawn, balanced over the classes, in 8 bits and not otherwise
touched, three times with other noise: a figure is the mean over these seeds, NAME_spread their standard
deviation (with n - 1). What is compared is made alike. The test split is cut into two halves without a
common sprite, both balanced over the classes. The captions of half A are the prompts (again with other
noise where they run out) and their labels are the prompts of the model that takes labels; half B is what
every Fréchet distance is measured against, the floor (as many train sprites) included.

class_accuracy      the first judge sees the class asked for
word_accuracy       share of the prompt's words that it finds; word_precision: share of the words found that
                    were asked for, among words of the same kind (see judges.words_found); NAME_real: in the
                    real sprites whose captions the prompts are
novel_*             the same for prompts with pairs of words that never met in training. The judges have
                    learnt from these very sprites (the generators have not), so novel_*_real is the most
                    that a judge can find, and novel_word_share, the share of it that is reached, is strict
sprite_fid, _2      Fréchet distance to half B in the features of the first and of the second judge
crispness           distinct colours in a sprite, as a multiple of the test split's
novelty             estimated share of samples that are new: how often the nearest real sprite is one of half
                    B, which no generator has seen, divided by how often it would be by chance, at most 1
                    (measures.novelty); novelty_test is that of half A, novelty_memoriser the mean over the
                    controls that are copies
distance_levels     median distance to the nearest training sprite (measures.distance_to_nearest)
usefulness          accuracy on the test split of a judge's network that has learnt the classes from the
                    samples alone (Ravuri and Vinyals 2019); the seed of sampling is its seed too
"""

import argparse
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from judges import (
    DATA,
    NOVEL,
    TEST,
    TRAIN,
    Sprites,
    balanced,
    class_accuracy,
    features,
    halves,
    load,
    same_kind,
    the_judges,
    to_tensor,
    train_judge,
    vocabulary,
    words_found,
)
from measures import distance_to_nearest, distinct_colours, frechet, novelty
from notebooks import ROOT, definitions

VAE_FILE = ROOT / "assets" / "vae_latent_2d_emb4" / "best_vae.pt"
DDPM_FILE = ROOT / "assets" / "DDPM" / "best_ddpm.pt"
DDPM_SHORT = ROOT / "assets" / "DDPM" / "short_palette.pt"
NOVEL_SAMPLES, CONTROL_SAMPLES = 500, 1000  # at most, for each seed
HALF_COPIES, NOVEL_SPRITES = "as many copies as novel sprites", "novel sprites"
SUFFIXES = ("", "_2")  # of the first and the second judge


# --- what depends on the notebooks: how their weights are loaded and sampled ---


class Made(NamedTuple):
    """What a model made: images uint8 (n, 16, 16, 3), and the CPU seconds that this and its training took."""

    images: np.ndarray
    sampling_cpu_seconds: float
    training_cpu_seconds: float


def to_uint8(x: Tensor) -> np.ndarray:
    """Float (n, 3, 16, 16) in [-1, 1] to uint8 (n, 16, 16, 3): clipped and rounded, not otherwise touched."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def data_id(nb: ModuleType) -> str:
    """The fingerprint of the data beside us: weights that were trained on others are refused."""
    return nb.fingerprint(nb.load_data(str(DATA)))


def open_ddpm() -> Tuple[ModuleType, torch.nn.Module, torch.nn.Module, float, Tensor]:
    """The definitions of 01, its guided denoiser and its full network, CPU seconds of training, alpha_bar."""
    nb = definitions("01.ddpm.ipynb")
    full, facts = nb.load_model(str(DDPM_FILE), nb.make_ddpm, data_id(nb))
    short, short_facts = nb.load_model(str(DDPM_SHORT), nb.make_ddpm, data_id(nb))
    seconds = facts["cpu_seconds"] + short_facts["cpu_seconds"]
    guided = nb.GuidedDenoiser(full, short, nb.GUIDANCE)
    return nb, guided, full, seconds, nb.to_alpha_bar(nb.cosine_beta(nb.T))


@torch.no_grad()
def sample_ddpm(prompts: Sprites, seed: int, steps: int) -> Made:
    """The labels of the prompts drawn as 01 does: DDIM, eta = 1, bent steps, guided by the short network."""
    nb, guided, _, seconds, alpha_bar = open_ddpm()
    generator, images = torch.Generator().manual_seed(seed), []
    start = time.process_time()
    for labels in torch.from_numpy(prompts.labels.astype(np.int64)).split(250):
        x_T = torch.randn(len(labels), 3, 16, 16, generator=generator)
        x_0 = nb.sample(guided, x_T, labels, alpha_bar, steps, eta=1.0, bend=0.7, generator=generator)
        images.append(to_uint8(x_0))
    return Made(np.concatenate(images), time.process_time() - start, seconds)


@torch.no_grad()
def noise_and_denoise(sprites: Sprites, seed: int, share: float) -> np.ndarray:
    """Sprites noised to t = share * T and denoised by the network of 01 in two steps of DDIM, eta = 0."""
    nb, _, full, _, alpha_bar = open_ddpm()
    t, images, generator = round(share * nb.T), [], torch.Generator().manual_seed(seed)
    all_labels = torch.from_numpy(sprites.labels.astype(np.int64))
    for x_0, labels in zip(to_tensor(sprites.images).split(250), all_labels.split(250)):
        eps = torch.randn(x_0.shape, generator=generator)
        x_t = nb.q_sample(x_0, torch.full((len(x_0),), t), eps, alpha_bar)
        images.append(to_uint8(nb.sample(full, x_t, labels, alpha_bar[: t + 1], steps=2)))
    return np.concatenate(images)


def open_ldm(switch: str) -> Tuple[ModuleType, NamedTuple, Dict]:
    """The definitions of 03, everything that drawing takes with the committed weights, and facts."""
    nb = definitions("03.ldm_nano.ipynb")
    autoencoder = nb.open_autoencoder(str(VAE_FILE), data_id(nb))
    path = str(ROOT / "assets" / f"LDM_{switch}_VAE_4" / "best_ldm.pt")
    model, facts = nb.load_model(path, nb.make_unet, data_id(nb))
    nb.check_fit(path, facts, facts["vocabulary"], autoencoder.mean)  # trained with this autoencoder
    alpha_bar = nb.to_alpha_bar(nb.cosine_beta(nb.T))
    return nb, nb.Pipeline(model, autoencoder, facts["vocabulary"], alpha_bar), facts


@torch.no_grad()
def sample_ldm(prompts: Sprites, seed: int, switch: str, steps: int) -> Made:
    """The captions of the prompts drawn as 03 does, by DDIM with guidance."""
    nb, pipe, facts = open_ldm(switch)
    generator, images = torch.Generator().manual_seed(seed), []
    start = time.process_time()
    for first in range(0, len(prompts.captions), 250):
        captions = prompts.captions[first : first + 250].tolist()
        images.append(to_uint8(nb.draw(pipe, captions, generator, steps=steps)))
    return Made(np.concatenate(images), time.process_time() - start, facts["cpu_seconds"])


@torch.no_grad()
def restore(images: np.ndarray) -> Made:
    """Sprites encoded (to the mean) and decoded by the committed autoencoder, as in 02."""
    nb = definitions("02.vae_latent_2d.ipynb")
    model, facts = nb.load_model(str(VAE_FILE), nb.make_vae, data_id(nb))
    start = time.process_time()
    restored = nb.decode_all(model, nb.encode_all(model, to_tensor(images))[0])
    return Made(to_uint8(restored), time.process_time() - start, facts["cpu_seconds"])


ROWS: Dict[
    str, Tuple[Callable[[Sprites, int], Made], bool]
] = {  # how to draw, and whether words are asked for
    "ddpm_ddim20": (lambda prompts, seed: sample_ddpm(prompts, seed, 20), False),
    "ddpm_ddim100": (lambda prompts, seed: sample_ddpm(prompts, seed, 100), False),
    "ldm_qkv_ddim20": (lambda prompts, seed: sample_ldm(prompts, seed, "QKV", 20), True),
    "ldm_qkv_ddim50": (lambda prompts, seed: sample_ldm(prompts, seed, "QKV", 50), True),
    "ldm_concat_ddim20": (lambda prompts, seed: sample_ldm(prompts, seed, "CONCAT", 20), True),
    "ldm_concat_ddim50": (lambda prompts, seed: sample_ldm(prompts, seed, "CONCAT", 50), True),
}


# --- the yardstick ---


class Yard:
    """The judges and what they make of real sprites, against which samples are measured."""

    def __init__(self, samples: int = 2000):
        self.samples, self.train, self.test, self.novel = samples, load(TRAIN), load(TEST), load(NOVEL)
        self.half_a, self.half_b = halves(self.test)
        self.words = vocabulary(self.train.captions)
        self.kind = same_kind(self.train.captions, self.words)
        self.judges = list(the_judges().values())
        self.scales = [features(judge, self.test.images).std(0) for judge in self.judges]
        self.targets = [features(judge, self.half_b.images) for judge in self.judges]
        self.colours = distinct_colours(torch.from_numpy(self.test.images))
        self.has_novel = len(self.novel.images) > 0
        self.train_images = torch.from_numpy(self.train.images)
        self.unseen_images = torch.from_numpy(self.half_b.images)

    def fid(self, images: np.ndarray) -> Dict[str, float]:
        """Fréchet distance to half B, by both judges."""
        found = {}
        for suffix, judge, target, scale in zip(SUFFIXES, self.judges, self.targets, self.scales):
            found["sprite_fid" + suffix] = sum(frechet(features(judge, images), target, scale))
        return found

    def novelty(self, images: np.ndarray) -> float:
        """Estimated share of sprites that are no copies of training sprites."""
        return novelty(torch.from_numpy(images), self.train_images, self.unseen_images)

    def distance(self, images: np.ndarray) -> float:
        """Median distance to the nearest training sprite, in levels."""
        return float(distance_to_nearest(torch.from_numpy(images), self.train_images).quantile(0.5))

    def usefulness(self, sprites: Sprites, seed: int) -> float:
        """Accuracy on real test sprites of a network that has learnt the classes from these sprites alone."""
        student = train_judge(sprites, self.words, steps=300, seed=seed, words_weigh=0)
        return class_accuracy(student, self.test)

    def words_found(self, sprites: Sprites, name: str = "word", suffix: str = "") -> Dict[str, float]:
        """Recall and precision of the words of the prompts, by the first judge."""
        recall, precision = words_found(self.judges[0], sprites, self.words, self.kind)
        return {f"{name}_accuracy{suffix}": recall, f"{name}_precision{suffix}": precision}

    def figures(self, sprites: Sprites, seed: int = 0, words: bool = True) -> Dict[str, float]:
        """The figures of one set of samples; those of words only where words were asked for."""
        return {
            "class_accuracy": class_accuracy(self.judges[0], sprites),
            **(self.words_found(sprites) if words else {}),
            **self.fid(sprites.images),
            "crispness": distinct_colours(torch.from_numpy(sprites.images)) / self.colours,
            "novelty": self.novelty(sprites.images),
            "distance_levels": self.distance(sprites.images),
            "usefulness": self.usefulness(sprites, seed),
        }


def mean_and_spread(runs: List[Dict[str, float]]) -> Dict[str, float]:
    """The mean of every figure over the seeds and, of more than one seed, its standard deviation (n - 1)."""
    row = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        row[name] = float(np.mean(values))
        if len(values) > 1:
            row[f"{name}_spread"] = float(np.std(values, ddof=1))
    return row


def moved(images: np.ndarray) -> np.ndarray:
    """Each sprite moved by a pixel: up, down, left, right in turn; white comes in, nothing wraps around."""
    wide, size = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255), images.shape[1]
    result = images.copy()
    for i, (row, column) in enumerate(((2, 1), (0, 1), (1, 2), (1, 0))):
        result[i::4] = wide[i::4, row : row + size, column : column + size]
    return result


def turned(images: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Colours (n, H, W, 3) turned about the axis of greys: another hue, the same grey."""
    angle, cross = np.deg2rad(degrees), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    sine, rest = np.sin(angle)[:, None, None], 1 - np.cos(angle)[:, None, None]
    turn = np.eye(3) + sine * cross + rest * (cross @ cross)
    return np.einsum("nhwc,ndc->nhwd", images, turn)


def controls(yard: Yard, seed: int = 0) -> Dict[str, np.ndarray]:
    """Copies of training sprites: a measure of novelty that calls them new measures nothing."""
    sprites = balanced(yard.train, min(yard.samples, CONTROL_SAMPLES), seed)
    x, rng = sprites.images.astype(np.float64), np.random.RandomState(seed)
    gain = rng.uniform(0.85, 1.15, (len(x), 1, 1, 1))
    made = {
        "through the VAE": restore(sprites.images).images,
        "noised to t = T/50 and denoised": noise_and_denoise(sprites, seed, 0.02),
        "noised to t = T/10 and denoised": noise_and_denoise(sprites, seed, 0.1),
        "moved by a pixel": moved(sprites.images),
        "brightness times 0.85 to 1.15": x * gain,
        "contrast to white times 0.85 to 1.15": 255 - (255 - x) * gain,
        "gamma of 0.85 to 1.15": 255 * (x / 255) ** gain,
        "hue turned by up to 10 degrees": turned(x, rng.uniform(-10, 10, len(x))),
        "noise of 12 levels": x + rng.normal(0, 12, x.shape),
    }
    return {name: np.clip(np.round(images), 0, 255).astype(np.uint8) for name, images in made.items()}


def half_copies(yard: Yard, seed: int = 0) -> np.ndarray:
    """As many copies of training sprites (through the VAE) as new sprites (the novel split)."""
    count = min(len(yard.novel.images), CONTROL_SAMPLES)
    copied = restore(balanced(yard.train, count, seed).images).images
    return np.concatenate([copied[:count], yard.novel.images[:count]])


def vae_figures(yard: Yard) -> Dict[str, float]:
    """Test sprites encoded and decoded; Fréchet distances of restored half A, the floor that of half A."""
    made, half = restore(yard.test.images), restore(yard.half_a.images)
    difference = made.images.astype(np.float64) - yard.test.images
    restored = yard.test._replace(images=made.images)
    floor = yard.fid(yard.half_a.images)
    return {
        "psnr": float(10 * np.log10(255**2 / np.square(difference).mean())),
        "exact": float((difference == 0).all(-1).mean()),
        "class_accuracy": class_accuracy(yard.judges[0], restored),
        **yard.words_found(restored),
        **yard.words_found(yard.test, suffix="_real"),
        **yard.fid(half.images),
        **{f"{name}_floor": value for name, value in floor.items()},
        "crispness": distinct_colours(torch.from_numpy(made.images)) / yard.colours,
        "samples": len(made.images),
        "training_cpu_seconds": made.training_cpu_seconds,
    }


def judge_figures(yard: Yard) -> Dict[str, float]:
    """How well the judges read real test sprites."""
    row = {}
    for suffix, judge in zip(SUFFIXES, yard.judges):
        recall, precision = words_found(judge, yard.test, yard.words, yard.kind)
        row["class_accuracy" + suffix] = class_accuracy(judge, yard.test)
        row.update({"word_accuracy" + suffix: recall, "word_precision" + suffix: precision})
    return row


def real_figures(yard: Yard, seeds: int) -> Dict[str, float]:
    """What real sprites get: train sprites against half B, the sprites of half A read by the judge."""
    runs = []
    for seed in range(seeds):
        real = balanced(yard.train, yard.samples, seed)
        crispness = distinct_colours(torch.from_numpy(real.images)) / yard.colours
        runs.append(
            {**yard.fid(real.images), "crispness": crispness, "usefulness": yard.usefulness(real, seed)}
        )
    read = {"class_accuracy": class_accuracy(yard.judges[0], yard.half_a), **yard.words_found(yard.half_a)}
    return {**read, **mean_and_spread(runs)}


def beside(yard: Yard, real: Dict[str, float], copied: Dict[str, float]) -> Dict[str, float]:
    """The figures that stand beside those of every model: floors, and what real sprites and copies get."""
    return {
        **yard.words_found(yard.half_a, suffix="_real"),
        **(yard.words_found(yard.novel, "novel_word", "_real") if yard.has_novel else {}),
        "sprite_fid_floor": real["sprite_fid"],
        "sprite_fid_2_floor": real["sprite_fid_2"],
        "usefulness_real": real["usefulness"],
        "novelty_test": yard.novelty(yard.half_a.images),
        "distance_levels_test": yard.distance(yard.half_a.images),
        "novelty_memoriser": float(np.mean(list(copied.values()))),
        "samples": yard.samples,
    }


def drawn_figures(yard: Yard, name: str, seed: int, save: Optional[Path] = None) -> Dict[str, float]:
    """All figures of one row and one seed; the samples are kept in the folder `save`, if there is one."""
    draw, words = ROWS[name]
    prompts = balanced(yard.half_a, yard.samples, seed)
    made = draw(prompts, seed)
    sprites = prompts._replace(images=made.images)
    found = yard.figures(sprites, seed, words)
    found["sampling_cpu_seconds"] = made.sampling_cpu_seconds
    found["training_cpu_seconds"] = made.training_cpu_seconds
    if save:
        save.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(save / f"{name}.npz", **sprites._asdict())
    if words and yard.has_novel:
        asked = balanced(yard.novel, min(yard.samples, NOVEL_SAMPLES), seed)
        drawn = asked._replace(images=draw(asked, seed).images)
        found.update(yard.words_found(drawn, "novel_word"))
        found["novel_class_accuracy"] = class_accuracy(yard.judges[0], drawn)
    return found


def measure(
    samples: int = 2000, only: Optional[List[str]] = None, save: Optional[Path] = None, seeds: int = 3
) -> Dict[str, Dict[str, float]]:
    """All figures of all rows, as the flat object that --json writes."""
    yard = Yard(samples)
    copied = {name: yard.novelty(images) for name, images in controls(yard).items()}
    real = real_figures(yard, seeds)
    always = beside(yard, real, copied)
    novel = {}
    if yard.has_novel:
        novel = {HALF_COPIES: yard.novelty(half_copies(yard)), NOVEL_SPRITES: yard.novelty(yard.novel.images)}
    result = {"judge": judge_figures(yard), "real": {**real, **always}, "controls": {**copied, **novel}}
    for name in (name for name in ROWS if not only or name in only):
        runs = [drawn_figures(yard, name, seed, None if seed else save) for seed in range(seeds)]
        result[name] = row = {**mean_and_spread(runs), **always}
        row.pop("training_cpu_seconds_spread", None)
        if ROWS[name][1] and yard.has_novel:
            row["novel_word_share"] = row["novel_word_accuracy"] / row["novel_word_accuracy_real"]
        if not ROWS[name][1]:
            result[name] = {key: value for key, value in row.items() if "word" not in key}
    if not only or "vae" in only:
        result["vae"] = vae_figures(yard)
    return result


# --- tables ---


def cell(row: Dict[str, float], *names: str, digits: int = 3, over: str = "") -> str:
    """Figures as mean ± spread, joined by a slash; each divided by the figure NAME + over, if given."""
    texts = []
    for name in names:
        if name not in row:
            return ""
        unit = row[name + over] if over else 1.0
        spread = f" ± {row[name + '_spread'] / unit:.{digits}f}" if f"{name}_spread" in row else ""
        texts.append(f"{row[name] / unit:.{digits}f}{spread}")
    return " / ".join(texts)


def markdown(heads: List[str], lines: List[List[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *lines])


def readme_table(result: Dict[str, Dict[str, float]]) -> str:
    """The table of the README: six columns."""
    heads = [
        "",
        "class",
        "words found / asked for",
        "FID over floor, two judges",
        "crispness",
        "CPU s to train",
    ]
    lines, real = [], result["real"]
    for name in ("real", *(name for name in ROWS if name in result)):
        row = result[name]
        line = [name, cell(row, "class_accuracy"), cell(row, "word_accuracy", "word_precision")]
        line += [cell(row, "sprite_fid", "sprite_fid_2", digits=2, over="_floor")]
        lines.append([*line, cell(row, "crispness", digits=2), cell(row, "training_cpu_seconds", digits=0)])
    floors = cell(real, "sprite_fid_floor", "sprite_fid_2_floor")
    return f"{markdown(heads, lines)}\n\n{real['samples']} samples for each seed. Floors: {floors}."


def second_table(result: Dict[str, Dict[str, float]]) -> str:
    """What the first table has no room for."""
    heads = [
        "",
        "usefulness",
        "novelty",
        "novel prompts: found / asked for",
        "share of real",
        "CPU s to sample",
    ]
    real = result["real"]
    novel = cell(real, "novel_word_accuracy_real", "novel_word_precision_real")
    lines = [["real", cell(real, "usefulness"), cell(real, "novelty_test"), novel, "", ""]]
    for name in (name for name in ROWS if name in result):
        row = result[name]
        line = [name, cell(row, "usefulness"), cell(row, "novelty")]
        line += [cell(row, "novel_word_accuracy", "novel_word_precision"), cell(row, "novel_word_share")]
        lines.append([*line, cell(row, "sampling_cpu_seconds", digits=1)])
    return markdown(heads, lines)


def vae_table(row: Dict[str, float]) -> str:
    """The autoencoder."""
    heads = ["PSNR, dB", "pixels exact", "crispness", "class / words", "FID over floor", "CPU s to train"]
    line = [cell(row, "psnr", digits=1), cell(row, "exact"), cell(row, "crispness", digits=2)]
    line += [cell(row, "class_accuracy", "word_accuracy", "word_precision")]
    line += [cell(row, "sprite_fid", "sprite_fid_2", digits=2, over="_floor")]
    return markdown(heads, [[*line, cell(row, "training_cpu_seconds", digits=0)]])


def controls_table(result: Dict[str, Dict[str, float]]) -> str:
    """The controls of novelty: copies that must not be called new, and new sprites that must."""
    row, real = dict(result["controls"]), result["real"]
    apart = [[name, f"{row.pop(name):.3f}"] for name in (HALF_COPIES, NOVEL_SPRITES) if name in row]
    lines = [[name, f"{value:.3f}"] for name, value in row.items()]
    lines += [["**a memoriser** (the mean of these)", cell(real, "novelty_memoriser")]]
    lines += [*apart[:1], ["test sprites (half A)", cell(real, "novelty_test")], *apart[1:]]
    return markdown(["training sprites, changed", "novelty"], lines)


def tables(result: Dict[str, Dict[str, float]]) -> str:
    """Everything that was measured, as Markdown tables of at most six columns."""
    keys, judge = ("class_accuracy", "word_accuracy", "word_precision"), result["judge"]
    lines = [[str(i + 1), *(cell(judge, key + SUFFIXES[i]) for key in keys)] for i in range(len(SUFFIXES))]
    judges = markdown(["judge, on test sprites", "class", "words found", "asked for"], lines)
    parts = [readme_table(result), second_table(result), controls_table(result), judges]
    return "\n\n".join([*parts, vae_table(result["vae"])] if "vae" in result else parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--md", type=Path, help="write the tables to this file")
    parser.add_argument("--readme", action="store_true", help="print the table of the README alone")
    parser.add_argument("--save", type=Path, help="keep the raw samples of the first seed in this folder")
    parser.add_argument(
        "--samples", type=int, default=2000, help="sprites of each seed (a multiple of the classes)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="how often to sample, with other noise")
    parser.add_argument("--only", nargs="+", choices=[*ROWS, "vae"], help="these rows alone")
    args = parser.parse_args()
    figures = measure(args.samples, args.only, args.save, args.seeds)
    print(readme_table(figures) if args.readme else tables(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    if args.md:
        args.md.write_text(tables(figures) + "\n")
