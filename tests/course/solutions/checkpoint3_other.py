"""The stock checkpoint in another style: lists and loops, torch, logarithms instead of whole numbers."""

import math
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist, fmean

import torch


def log_returns(adjusted):
    kept = [float(price) for price in adjusted if price == price]
    return [math.log(today / before) for before, today in pairwise(kept)]


def standardise(features, train_days):
    values = torch.tensor(features, dtype=torch.float32)
    means = values[:train_days].mean(0)
    deviations = values[:train_days].std(0, unbiased=False)
    deviations[deviations == 0] = 1
    return (values - means) / deviations, means, deviations


def walk_forward(rows, first_test, block, horizon):
    folds, start = [], first_test
    while start < rows:
        known = [row for row in range(start) if row + horizon <= start]
        end = start + block if start + block < rows else rows
        folds.append([len(known), start, end])
        start = end
    return folds


def score_directions(predicted, actual):
    pairs = [(float(p), float(a)) for p, a in zip(predicted, actual, strict=True) if p * a or (p and a)]
    if not pairs:
        raise ValueError("nothing to count")
    right = sum((p > 0) == (a > 0) for p, a in pairs)
    n = len(pairs)
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(right, n + 1)
    ]
    return float(Fraction(right, n)), min(1.0, sum(math.exp(each) for each in logs))


def conformal_intervals(predicted, actual, coverage, memory):
    k = math.ceil((memory + 1) * coverage)
    if k > memory:
        raise ValueError
    bounds = []
    past = [abs(float(a) - float(p)) for p, a in zip(predicted, actual, strict=True)]
    for day, centre in enumerate(predicted):
        if day >= memory:
            width = sorted(past[day - memory : day])[k - 1]
            bounds.append((float(centre) - width, float(centre) + width))
    return [low for low, _ in bounds], [high for _, high in bounds]


def diebold_mariano(errors, rival_errors):
    squares = [(float(a) ** 2, float(b) ** 2) for a, b in zip(errors, rival_errors, strict=True)]
    differences = [a - b for a, b in squares]
    if max(map(abs, differences)) == 0:
        return [0.0, 1.0]
    mean = fmean(differences)
    spread = math.sqrt(fmean([(value - mean) ** 2 for value in differences]) / len(differences))
    return [mean / spread, 2 * (1 - NormalDist().cdf(abs(mean / spread)))]
