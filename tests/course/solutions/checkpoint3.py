"""Right answers to the stock checkpoint."""

import math

import numpy as np


def log_returns(adjusted):
    adjusted = np.asarray(adjusted, dtype=float)
    return np.diff(np.log(adjusted[~np.isnan(adjusted)]))


def standardise(features, train_days):
    train = features[:train_days]
    means, deviations = train.mean(axis=0), train.std(axis=0)
    deviations = np.where(deviations == 0, 1.0, deviations)
    return (features - means) / deviations, means, deviations


def walk_forward(rows, first_test, block, horizon):
    folds = []
    for start in range(first_test, rows, block):
        folds.append((start - horizon + 1, start, min(start + block, rows)))
    return folds


def score_directions(predicted, actual):
    counted = (predicted != 0) & (actual != 0)
    days = int(counted.sum())
    if days == 0:
        raise ValueError("no day counts")
    right = int((np.sign(predicted[counted]) == np.sign(actual[counted])).sum())
    tail = sum(math.comb(days, k) for k in range(right, days + 1))
    return right / days, tail / 2**days


def conformal_intervals(predicted, actual, coverage, memory):
    k = math.ceil(round((memory + 1) * coverage, 9))
    if k > memory:
        raise ValueError(f"{memory} errors cannot give a coverage of {coverage}")
    errors = np.abs(actual - predicted)
    widths = [np.sort(errors[day - memory : day])[k - 1] for day in range(memory, len(predicted))]
    middle = predicted[memory:]
    return middle - widths, middle + widths


def diebold_mariano(errors, rival_errors):
    if len(errors) != len(rival_errors):
        raise ValueError("errors of different days")
    difference = errors**2 - rival_errors**2
    if not difference.any():
        return 0.0, 1.0
    statistic = difference.mean() / math.sqrt(difference.var() / len(difference))
    return statistic, math.erfc(abs(statistic) / math.sqrt(2))
