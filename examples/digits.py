"""Train two classifiers of handwritten digits: a multilayer perceptron and a small convolutional network.

    chainrule run examples/digits.py [--epochs N] [--plot FILE.png]

A PyTorch program: `python examples/digits.py` runs it on PyTorch, and the numbers are the same.  The data are the 1,797
8x8 images that come with scikit-learn; a fifth of them, chosen by the seed, is kept for the test.
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from tqdm import tqdm


def load(seed):
    """Training and test images (N, 1, 8, 8) in [0, 1], with their labels."""
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    labels = torch.tensor(labels, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    images, labels = images[order], labels[order]
    held_out = len(labels) // 5
    return images[held_out:], labels[held_out:], images[:held_out], labels[:held_out]


def perceptron():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 2 * 2, 10),
    )  # fmt: skip


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def train(name, model, data, epochs, batch=64):
    """Train with Adam; the mean loss of every epoch."""
    images, labels, _, _ = data
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in (bar := tqdm(range(epochs), desc=name)):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(labels)).split(batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(labels))
        bar.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", default="digits-loss.png", help="where to save the loss curves")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    data = load(args.seed)
    curves = {}
    for name, build in (("MLP", perceptron), ("CNN", convolutional)):
        model = build()
        curves[name] = train(name, model, data, args.epochs)
        print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, test accuracy {accuracy(model, *data[2:]):.1%}")

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for name, losses in curves.items():
        plt.semilogy(range(1, len(losses) + 1), losses, label=name)
    plt.xlabel("epoch")
    plt.ylabel("mean training loss (cross entropy, nats)")
    plt.legend()
    plt.savefig(args.plot, dpi=120)
    print(f"loss curves: {args.plot}")


if __name__ == "__main__":
    main()
