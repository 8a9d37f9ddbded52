"""The data, and two judges that read sprites: what `make quality` measures with.

A judge is a small CNN with a class head and a word head, trained with a fixed seed on the train and the
novel split (the generators never see the novel one; a judge that had not could not read it) and tested on
the test split. There are two, of different architecture and seed, because a Fréchet distance belongs to
its judge: what holds by one judge alone is no result. A judge sees colours, not their numbers.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from notebooks import ROOT, opened
from torch import nn
from torch.nn import functional as F

CACHE = ROOT / "tools" / ".cache"
SPLITS = {"train": 0, "test": 1, "novel": 2, "validation": 3}
STEPS = {"strided": 3000, "residual": 2000}


class Sprites(NamedTuple):
    """A set of sprites: images uint8 (n, 16, 16, 3), labels uint8 (n,), captions (n,)."""

    images: np.ndarray
    labels: np.ndarray
    captions: np.ndarray

    def take(self, index):
        """The sprites at these positions."""
        return Sprites(*(array[index] for array in self))


def load(folder=ROOT):
    """The splits of a data file by name, captions as 03 cuts them; and the names of the classes."""
    nb, splits = opened("03.ldm_nano.ipynb", folder, ["data-code"]), {}
    for name, number in SPLITS.items():
        index, captions = nb.read_split(number)
        labels = nb.data["labels"][nb.data["split"] == number]
        splits[name] = Sprites(nb.data["palette"][index.numpy()], labels, np.array(captions, dtype=str))
    return splits, nb.data["class_names"].tolist()


def balanced(sprites, n, seed=0):
    """n // C sprites of each of the C classes there are, drawn anew only when a class has been used up."""
    rng, classes, index = np.random.RandomState(seed), np.unique(sprites.labels), []
    for k in classes:
        index.append(np.resize(rng.permutation(np.flatnonzero(sprites.labels == k)), n // len(classes)))
    return sprites.take(np.concatenate(index))


def halves(sprites, seed=0):
    """Two halves without a sprite in common, equally many of each class that has two or more."""
    counts = np.bincount(sprites.labels)
    classes = np.flatnonzero(counts > 1)
    each = counts[classes].min() // 2
    rng, index = np.random.RandomState(seed), []
    for k in classes:
        index.append(rng.permutation(np.flatnonzero(sprites.labels == k))[: 2 * each].reshape(2, each))
    first, second = np.concatenate(index, axis=1)
    return sprites.take(first), sprites.take(second)


def list_words(captions):
    """All words of the captions, sorted."""
    return sorted({word for caption in captions for word in str(caption).split()})


def word_targets(captions, words):
    """(n, W) float: 1 where the caption has the word. Words that are not listed count for nothing."""
    position = {word: i for i, word in enumerate(words)}
    targets = torch.zeros(len(captions), len(words))
    for row, caption in zip(targets, captions):
        row[[position[word] for word in str(caption).split() if word in position]] = 1
    return targets


def to_tensor(images):
    """uint8 (n, 16, 16, 3) in [0, 255] to float (n, 3, 16, 16) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


class Strided(nn.Module):
    """The first judge's body: strided convolutions, all positions flattened, LayerNorm. 128 features."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),  # (B, 12, 8, 8)
            nn.Conv2d(12, 64, 3, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Conv2d(64, 96, 3, padding=1, stride=2),  # (B, 96, 4, 4)
            nn.GroupNorm(8, 96),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(96 * 16, 128),
            nn.LayerNorm(128),
            nn.SiLU(),
        )

    def forward(self, x):
        return self.layers(x)


class Block(nn.Module):
    """Two convolutions and what came in."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm_1, self.norm_2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, h):
        return F.relu(h + self.norm_2(self.second(F.relu(self.norm_1(self.first(h))))))


class Residual(nn.Module):
    """The second judge's body: residual blocks, BatchNorm, the mean over all positions. 128 features."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1, bias=False),  # (B, 32, 8, 8)
            nn.BatchNorm2d(32),
            nn.ReLU(),
            Block(32),
            nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),  # (B, 64, 4, 4)
            nn.BatchNorm2d(64),
            nn.ReLU(),
            Block(64),
            nn.Conv2d(64, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.layers(x).mean((2, 3))


class Judge(nn.Module):
    """Reads a sprite: features of the body, a score for each class, a score for each word."""

    def __init__(self, kind, classes, words):
        super().__init__()
        self.body = {"strided": Strided, "residual": Residual}[kind]()
        self.classes, self.words = nn.Linear(128, classes), nn.Linear(128, words)


def train_judge(judge, sprites, words, steps, words_weigh=20.0):
    """Teach a judge, from these sprites alone, the class and, if they weigh anything, the words."""
    images, labels = to_tensor(sprites.images), torch.from_numpy(sprites.labels.astype(np.int64))
    targets = word_targets(sprites.captions, words)
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        index = torch.randint(0, len(images), (128,))
        features = judge.body(images[index])
        loss = F.cross_entropy(judge.classes(features), labels[index])
        loss_words = F.binary_cross_entropy_with_logits(judge.words(features), targets[index])
        loss = loss + words_weigh * loss_words
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


def the_judges(folder=ROOT):
    """Both judges of the data in a folder, trained once and kept under a name with all they depend on."""
    data, code = (folder / "data" / "sprites.npz").read_bytes(), Path(__file__).read_bytes()
    name = hashlib.sha256(data + code + torch.__version__.encode()).hexdigest()[:16]
    (splits, classes), judges = load(folder), []
    train, novel = splits["train"], splits["novel"]
    words = list_words(train.captions)
    both = Sprites(*(np.concatenate(pair) for pair in zip(train, novel)))
    for seed, (kind, steps) in enumerate(STEPS.items()):
        torch.manual_seed(seed)
        judge, file = Judge(kind, len(classes), len(words)), CACHE / f"{kind}-{name}.pt"
        if file.exists():
            judge.load_state_dict(torch.load(file, weights_only=True))
        else:
            train_judge(judge, both, words, steps)
            CACHE.mkdir(exist_ok=True)
            torch.save(judge.state_dict(), file)
        judges.append(judge.eval())
    return judges


@torch.no_grad()
def features(judge, images):
    """Penultimate features (n, 128) of uint8 sprites."""
    return torch.cat([judge.body(batch) for batch in to_tensor(images).split(500)])


@torch.no_grad()
def class_accuracy(judge, sprites):
    """Share of sprites in which the judge sees the class asked for."""
    seen = judge.classes(features(judge, sprites.images)).argmax(1).numpy()
    return float((seen == sprites.labels).mean())


def same_kind(captions, words):
    """(W, W) bool: whether two words are of the same kind; every word is of its own.

    They are if, somewhere in this list, replacing one by the other turns a caption into another caption of
    the list. So "red" and "blue" are of one kind, "tunic" and "robe", "happy" and "angry", without any list
    of colours or clothes made by hand.
    """
    position, gaps = {word: i for i, word in enumerate(words)}, {}
    for caption in np.unique(captions):
        split = str(caption).split()
        for i, word in enumerate(split):
            gaps.setdefault((*split[:i], None, *split[i + 1 :]), set()).add(position[word])
    kind = torch.eye(len(words), dtype=torch.bool)
    for fillers in gaps.values():
        index = torch.tensor(sorted(fillers))
        kind[index[:, None], index] = True
    return kind


@torch.no_grad()
def words_found(judge, sprites, words, kind):
    """Recall and precision of the words of the prompts, by this judge.

    Recall is the share of the words asked for that are found (probability over one half). Precision is the
    share of the words found that were asked for, among words of the same kind as one that was: where "red
    slime" was the prompt, "blue" is a mistake, and "happy" is not, because no mood was asked for. Words are
    read one by one; whether hair and tunic have exchanged their colours is not seen.
    """
    asked = word_targets(sprites.captions, words) > 0
    found = judge.words(features(judge, sprites.images)) > 0
    rivals = (asked.float() @ kind.float()) > 0  # words of the same kind as one that was asked for
    recall = found[asked].float().mean()
    precision = asked[found & rivals].float().mean()
    return float(recall), float(precision)
