"""Quality of the committed weights, measured one way: `make quality`.

    python tools/quality.py [--json FILE] [--md FILE] [--save DIR] [--samples N] [--seeds N] [--only ROW ...]
                            [--split validation] [--folder DIR]

From every weight file 2,000 sprites are drawn, balanced over the classes, in 8 bits and not otherwise
touched, three times with other noise: a figure is the mean over these seeds, NAME_spread their standard
deviation (with n - 1). What is compared is made alike. The test split is cut into two halves without a
common sprite, both balanced over the classes. The captions of half A are the prompts (again with other
noise where they run out) and their labels are the prompts of the model that takes labels; half B is what
every distance is measured against, the floor (as many train sprites) included. What is chosen is chosen
with --split validation, whose halves then take the place of those of test (its floors are others). A folder
holds notebooks with other parameters, or other data, or other weights, laid out as in the repository.

class_accuracy      the first judge sees the class asked for
word_accuracy       share of the prompt's words that it finds; word_precision: share of the words found that
                    were asked for, among words of the same kind (see judges.words_found); NAME_real: in the
                    real sprites whose captions the prompts are
novel_*             the same for prompts with pairs of words that never met in training. The judges have
                    learnt from these very sprites (the generators have not), so novel_*_real is the most
                    that a judge can find, and novel_word_share, the share of it that is reached, is strict
sprite_fid, _2      Fréchet distance to half B in the features of the first and of the second judge
kid, _2             kernel distance to half B in the same features: unbiased, so that of real sprites is about 0,
                    a little below it because both sets have equally many of each class
crispness           distinct colours in a sprite, as a multiple of the real ones'
novelty             estimated share of samples that are new: how often the nearest real sprite is one of half
                    B, which no generator has seen, divided by how often it would be by chance, at most 1
                    (measures.novelty); that of real sprites is half A's, those of controls should be 0
usefulness          accuracy on the real split of a judge's network that has learnt the classes from the
                    samples alone (Ravuri and Vinyals 2019); the seed of sampling is its seed too
seconds_64          seconds on the clock to draw 64 sprites, guidance included: the median of seven
training_cpu_seconds  CPU seconds of training, from the weight file
"""

import argparse
import functools
import json
import time
from pathlib import Path

import numpy as np
import torch
from judges import (
    SPLITS,
    Judge,
    balanced,
    class_accuracy,
    features,
    halves,
    list_words,
    load,
    same_kind,
    the_judges,
    to_tensor,
    train_judge,
    words_found,
)
from measures import distinct_colours, frechet, kernel_distance, novelty, standardised
from notebooks import ROOT, opened

NOVEL_SAMPLES, CONTROL_SAMPLES = 500, 1000  # at most, for each seed
SUFFIXES = ("", "_2")  # of the first and the second judge
ROWS = {  # the weights, and the steps of DDIM
    "ddpm_ddim20": ("DDPM", 20),
    "ddpm_ddim100": ("DDPM", 100),
    "ldm_qkv_ddim20": ("QKV", 20),
    "ldm_qkv_ddim50": ("QKV", 50),
    "ldm_concat_ddim20": ("CONCAT", 20),
}


# --- what depends on the notebooks: how their weights are loaded and sampled ---


NETWORKS = {  # notebook, weight file, and how its network is made
    "DDPM": ("01.ddpm.ipynb", "DDPM/best_ddpm.pt", lambda nb: nb.UNet(len(nb.palette), nb.WIDTH)),
    "VAE": ("02.vae_latent_2d.ipynb", "vae_latent_2d_emb4/best_vae.pt", lambda nb: nb.VAE(nb.WIDTH)),
    "QKV": ("03.ldm_nano.ipynb", "LDM_QKV_VAE_4/best_ldm.pt", lambda nb: nb.UNet(nb.WIDTH, "QKV")),
    "CONCAT": ("03.ldm_nano.ipynb", "LDM_CONCAT_VAE_4/best_ldm.pt", lambda nb: nb.UNet(nb.WIDTH, "CONCAT")),
}


def trained(kind, folder=ROOT):
    """The module of a notebook with its trained network, nb.net, and the facts of the weight file."""
    name, file, make = NETWORKS[kind]
    nb = opened(name, folder)
    nb.net = make(nb)
    return nb, nb.load_weights(str(Path(folder) / "assets" / file), nb.net, name)


def to_uint8(x):
    """Float (n, 3, 16, 16) in [-1, 1] to uint8 (n, 16, 16, 3): clipped and rounded, not otherwise touched."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


class Model:
    """One row: draws sprites as its notebook does."""

    def __init__(self, name, folder=ROOT):
        kind, self.steps = ROWS[name]
        self.words = kind != "DDPM"  # words are asked for, else the class alone
        self.nb, self.facts = trained(kind, folder)

    @torch.no_grad()
    def batch(self, prompts):
        """Sprites (n, 3, 16, 16) for the labels or the captions of the prompts."""
        if not self.words:
            return self.nb.draw(torch.from_numpy(prompts.labels.astype(np.int64)), self.steps)
        tokens = self.nb.tokenize(prompts.captions.tolist())
        return self.nb.decode(self.nb.sample(self.nb.net, tokens, self.nb.GUIDANCE, self.steps)[-1])

    def draw(self, prompts, seed):
        """uint8 (n, 16, 16, 3), drawn in batches of 250."""
        torch.manual_seed(seed)
        parts = np.array_split(np.arange(len(prompts.labels)), -(-len(prompts.labels) // 250))
        return np.concatenate([to_uint8(self.batch(prompts.take(part))) for part in parts])

    def seconds(self, prompts):
        """Seconds on the clock for these prompts: the median of seven."""
        times = []
        for _ in range(7):
            start = time.perf_counter()
            self.batch(prompts)
            times.append(time.perf_counter() - start)
        return sorted(times)[3]


# --- the yardstick ---


class Yard:
    """The judges and what they make of real sprites, against which samples are measured."""

    def __init__(self, samples=2000, split="test", folder=ROOT):
        self.samples, self.folder = samples, Path(folder)
        splits, self.classes = load(folder)
        self.train, self.test, self.novel = (splits[name] for name in ("train", "test", "novel"))
        self.real = splits[split]
        self.half_a, self.half_b = halves(self.real)
        self.words = list_words(self.train.captions)
        self.kind = same_kind(self.train.captions, self.words)
        self.judges = the_judges(self.folder)
        self.references = [features(judge, self.real.images) for judge in self.judges]
        self.colours = distinct_colours(torch.from_numpy(self.real.images))
        self.train_images, self.held_out = (torch.from_numpy(x.images) for x in (self.train, self.half_b))

    @functools.cached_property
    def autoencoder(self):
        """02 with its trained network, and the facts of the weight file."""
        return trained("VAE", self.folder)

    def distances(self, images):
        """Fréchet and kernel distance to half B, by both judges."""
        found = {}
        for suffix, judge, reference in zip(SUFFIXES, self.judges, self.references):
            own, target = (standardised(features(judge, x), reference) for x in (images, self.half_b.images))
            found["sprite_fid" + suffix] = sum(frechet(own, target))
            found["kid" + suffix] = kernel_distance(own, target)
        return found

    def crispness(self, images):
        """Distinct colours in a sprite, as a multiple of the real ones'."""
        return distinct_colours(torch.from_numpy(images)) / self.colours

    def novelty(self, images):
        """Estimated share of sprites that are no copies of training sprites."""
        return novelty(torch.from_numpy(images), self.train_images, self.held_out)

    def usefulness(self, sprites, seed):
        """Accuracy on real sprites of a network that has learnt the classes from these sprites alone."""
        torch.manual_seed(seed)
        student = Judge("strided", len(self.classes), len(self.words))
        train_judge(student, sprites, self.words, steps=300, words_weigh=0)
        return class_accuracy(student, self.real)

    def words_found(self, sprites, name="word", suffix=""):
        """Recall and precision of the words of the prompts, by the first judge."""
        recall, precision = words_found(self.judges[0], sprites, self.words, self.kind)
        return {f"{name}_accuracy{suffix}": recall, f"{name}_precision{suffix}": precision}

    def figures(self, sprites, seed=0):
        """The figures of one set of samples."""
        return {
            "class_accuracy": class_accuracy(self.judges[0], sprites),
            **self.words_found(sprites),
            **self.distances(sprites.images),
            "crispness": self.crispness(sprites.images),
            "novelty": self.novelty(sprites.images),
            "usefulness": self.usefulness(sprites, seed),
        }

    @torch.no_grad()
    def restore(self, images):
        """Sprites encoded (to the mean) and decoded by the autoencoder, as in 02."""
        nb, _ = self.autoencoder
        mu = torch.cat([nb.net.encode(part)[0] for part in to_tensor(images).split(500)])
        return to_uint8(nb.to_sprites(nb.decode(nb.net, mu)))


def mean_and_spread(runs):
    """The mean of every figure over the seeds and, of more than one seed, its standard deviation (n - 1)."""
    row = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        row[name] = float(np.mean(values))
        if len(values) > 1:
            row[f"{name}_spread"] = float(np.std(values, ddof=1))
    return row


@torch.no_grad()
def noise_and_denoise(folder, sprites, seed, share):
    """Sprites noised to t = share * T, and what the network of 01 makes of them at once."""
    nb, images = trained("DDPM", folder)[0], []
    torch.manual_seed(seed)
    all_labels = torch.from_numpy(sprites.labels.astype(np.int64))
    for x_0, y in zip(to_tensor(sprites.images).split(250), all_labels.split(250)):
        t = torch.full_like(y, round(share * nb.T))
        guess = nb.guess_colours(nb.net, nb.q_sample(x_0, t, torch.randn_like(x_0)), t, y)
        images.append(to_uint8(nb.best_colours(nb.net, guess, y)))
    return np.concatenate(images)


def moved(images):
    """Each sprite moved by a pixel: up, down, left, right in turn; white comes in, nothing wraps around."""
    wide, size = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255), images.shape[1]
    result = images.copy()
    for i, (row, column) in enumerate(((2, 1), (0, 1), (1, 2), (1, 0))):
        result[i::4] = wide[i::4, row : row + size, column : column + size]
    return result


def turned(images, degrees):
    """Colours (n, H, W, 3) turned about the axis of greys: another hue, the same grey."""
    angle, cross = np.deg2rad(degrees), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    sine, rest = np.sin(angle)[:, None, None], 1 - np.cos(angle)[:, None, None]
    turn = np.eye(3) + sine * cross + rest * (cross @ cross)
    return np.einsum("nhwc,ndc->nhwd", images, turn)


def controls(yard, seed=0):
    """Copies of training sprites: a measure of novelty that calls them new measures nothing."""
    sprites = balanced(yard.train, min(yard.samples, CONTROL_SAMPLES), seed)
    x, rng = sprites.images.astype(np.float64), np.random.RandomState(seed)
    gain = rng.uniform(0.85, 1.15, (len(x), 1, 1, 1))
    made = {
        "through the VAE": yard.restore(sprites.images),
        "noised to t = T/50 and denoised": noise_and_denoise(yard.folder, sprites, seed, 0.02),
        "noised to t = T/10 and denoised": noise_and_denoise(yard.folder, sprites, seed, 0.1),
        "moved by a pixel": moved(sprites.images),
        "brightness times 0.85 to 1.15": x * gain,
        "contrast to white times 0.85 to 1.15": 255 - (255 - x) * gain,
        "gamma of 0.85 to 1.15": 255 * (x / 255) ** gain,
        "hue turned by up to 10 degrees": turned(x, rng.uniform(-10, 10, len(x))),
        "noise of 12 levels": x + rng.normal(0, 12, x.shape),
    }
    return {name: np.clip(np.round(images), 0, 255).astype(np.uint8) for name, images in made.items()}


def half_copies(yard, seed=0):
    """As many copies of training sprites (through the VAE) as new sprites (the novel split)."""
    count = min(len(yard.novel.images), CONTROL_SAMPLES)
    copied = yard.restore(balanced(yard.train, count, seed).images)
    return np.concatenate([copied[:count], yard.novel.images[:count]])


# --- rows ---


def vae_figures(yard):
    """Real sprites encoded and decoded; distances of restored half A, the floor that of half A."""
    made = yard.restore(yard.real.images)
    difference = made.astype(np.float64) - yard.real.images
    restored = yard.real._replace(images=made)
    return {
        "psnr": float(10 * np.log10(255**2 / np.square(difference).mean())),
        "exact": float((difference == 0).all(-1).mean()),
        "class_accuracy": class_accuracy(yard.judges[0], restored),
        **yard.words_found(restored),
        **yard.distances(yard.restore(yard.half_a.images)),
        **{f"{name}_floor": value for name, value in yard.distances(yard.half_a.images).items()},
        "crispness": yard.crispness(made),
        "samples": len(made),
        "training_cpu_seconds": yard.autoencoder[1]["cpu_seconds"],
    }


def judge_figures(yard):
    """How well the judges read real test sprites."""
    rows = {}
    for number, judge in enumerate(yard.judges, 1):
        recall, precision = words_found(judge, yard.test, yard.words, yard.kind)
        accuracy = class_accuracy(judge, yard.test)
        rows[f"judge {number}"] = {"class_accuracy": accuracy, "word_accuracy": recall, "word_precision": precision}
    return rows


def real_figures(yard, seeds):
    """What real sprites get: train sprites against half B, those of half A read by the judge, novel ones read too."""
    runs = []
    for seed in range(seeds):
        real = balanced(yard.train, yard.samples, seed)
        found = {"crispness": yard.crispness(real.images), "usefulness": yard.usefulness(real, seed)}
        runs.append({**yard.distances(real.images), **found})
    row = {"class_accuracy": class_accuracy(yard.judges[0], yard.half_a), **yard.words_found(yard.half_a)}
    row.update(yard.words_found(yard.novel, "novel_word"), novelty=yard.novelty(yard.half_a.images))
    return {**row, **mean_and_spread(runs), "samples": yard.samples}


def drawn_figures(yard, name, seeds, save=None):
    """The figures of one row; the samples of the first seed are kept in the folder `save`, if there is one."""
    model, runs = Model(name, yard.folder), []
    for seed in range(seeds):
        prompts = balanced(yard.half_a, yard.samples, seed)
        sprites = prompts._replace(images=model.draw(prompts, seed))
        asked = balanced(yard.novel, min(yard.samples, NOVEL_SAMPLES), seed)
        drawn = asked._replace(images=model.draw(asked, seed))
        found = {**yard.figures(sprites, seed), "novel_class_accuracy": class_accuracy(yard.judges[0], drawn)}
        runs.append({**found, **yard.words_found(drawn, "novel_word")})
        if save and seed == 0:
            save.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(save / f"{name}.npz", **sprites._asdict())
    row = {**mean_and_spread(runs), "samples": yard.samples, "training_cpu_seconds": model.facts["cpu_seconds"]}
    row["seconds_64"] = model.seconds(yard.half_a.take(np.arange(64)))
    return row if model.words else {key: value for key, value in row.items() if "word" not in key}


def measure(yard, only=None, save=None, seeds=3):
    """All figures of all rows, as the flat object that --json writes."""
    result = {"real": real_figures(yard, seeds), **judge_figures(yard), "controls": {}}
    for name, images in controls(yard).items():
        result["controls"][name] = yard.novelty(images)
    result["controls"]["**a memoriser** (the mean of these)"] = float(np.mean(list(result["controls"].values())))
    result["controls"]["as many copies as novel sprites"] = yard.novelty(half_copies(yard))
    result["controls"]["novel sprites"] = yard.novelty(yard.novel.images)
    for name in (name for name in ROWS if not only or name in only):
        result[name] = drawn_figures(yard, name, seeds, save)
    real = result["real"]
    for row in (result[name] for name in ("real", *ROWS) if name in result):
        row.update({f"{key}_floor": real[key] for key in ("sprite_fid", "sprite_fid_2")})
    for row in (result[name] for name in ROWS if name in result):
        names = ("usefulness", "word_accuracy", "word_precision", "novel_word_accuracy", "novel_word_precision")
        row.update({f"{key}_real": real[key] for key in names if key in row})
        if "novel_word_accuracy" in row:
            row["novel_word_share"] = row["novel_word_accuracy"] / real["novel_word_accuracy"]
    if not only or "vae" in only:
        result["vae"] = vae_figures(yard)
    return result


# --- tables ---

CLASS, WORDS = (["class_accuracy"], {}), (["word_accuracy", "word_precision"], {})
FID = (["sprite_fid", "sprite_fid_2"], {"digits": 2, "over": "_floor"})
KID = (["kid", "kid_2"], {"digits": 1, "times": 1000})
CRISPNESS, SECONDS = (["crispness"], {"digits": 2}), (["training_cpu_seconds"], {"digits": 0})
FIRST = {"class": CLASS, "words found / asked for": WORDS, "FID over floor, two judges": FID}
FIRST.update({"KID times 1000": KID, "crispness": CRISPNESS})
SECOND = {"usefulness": (["usefulness"], {}), "novelty": (["novelty"], {})}
SECOND["novel prompts: found / asked for"] = (["novel_word_accuracy", "novel_word_precision"], {})
SECOND.update({"CPU s to train": SECONDS, "s to draw 64": (["seconds_64"], {"digits": 2})})
VAE = {"pixels exact / PSNR": (["exact", "psnr"], {}), "crispness": CRISPNESS, "words found / asked for": WORDS}
VAE.update({"FID over floor, two judges": FID, "CPU s to train": SECONDS})


def cell(row, names, digits=3, over="", times=1):
    """Figures as mean ± spread, joined by a slash; each divided by the figure NAME + over, if given."""
    texts = []
    for name in (name for name in names if name in row):
        unit = (row[name + over] if over else 1) / times
        spread = f" ± {row[name + '_spread'] / unit:.{digits}f}" if f"{name}_spread" in row else ""
        texts.append(f"{row[name] / unit:.{digits}f}{spread}")
    return " / ".join(texts)


def table(result, names, columns):
    """Rows of the result as a Markdown table with these columns."""
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for name in (name for name in names if name in result):
        lines.append([name, *(cell(result[name], keys, **how) for keys, how in columns.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(result):
    """Everything that was measured, as Markdown tables of at most six columns."""
    real = result["real"]
    note = f"{real['samples']} samples for each seed. Floors: {cell(real, ['sprite_fid', 'sprite_fid_2'])}."
    novelty = {name: {"novelty": value} for name, value in result["controls"].items()}
    parts = [table(result, ["real", *ROWS], FIRST), note, table(result, ["real", *ROWS], SECOND)]
    parts += [table(result, ["vae"], VAE), table(result, ["judge 1", "judge 2"], {"class": CLASS, "words": WORDS})]
    return "\n\n".join([*parts, table(novelty, novelty, {"novelty": (["novelty"], {})})])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--md", type=Path, help="write the tables to this file")
    parser.add_argument("--save", type=Path, help="keep the raw samples of the first seed in this folder")
    parser.add_argument("--samples", type=int, default=2000, help="of each seed (a multiple of the classes)")
    parser.add_argument("--seeds", type=int, default=3, help="how often to sample, with other noise")
    parser.add_argument("--only", nargs="+", choices=[*ROWS, "vae"], help="these rows alone")
    parser.add_argument("--split", choices=["test", "validation"], default="test", help=f"of {list(SPLITS)}")
    parser.add_argument("--folder", type=Path, default=ROOT, help="notebooks, data and assets to measure")
    args = parser.parse_args()
    yard = Yard(args.samples, args.split, args.folder)
    result = measure(yard, args.only, args.save, args.seeds)
    print(tables(result))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.md:
        args.md.write_text(tables(result) + "\n")
