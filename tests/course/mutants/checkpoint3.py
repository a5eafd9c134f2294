"""Typical wrong solutions of the stock checkpoint."""

MUTANTS = [
    ("log_returns", "np.diff(np.log(adjusted[~np.isnan(adjusted)]))", "np.diff(np.log(adjusted))"),
    ("log_returns", "adjusted[~np.isnan(adjusted)]))", "np.nan_to_num(adjusted, nan=1.0)))"),
    (
        "log_returns",
        "    return np.diff(np.log(adjusted[~np.isnan(adjusted)]))",
        "    r = np.diff(np.log(adjusted))\n    return r[~np.isnan(r)]",
    ),
    (
        "log_returns",
        "np.diff(np.log(adjusted[~np.isnan(adjusted)]))",
        "np.diff(adjusted[~np.isnan(adjusted)]) / adjusted[~np.isnan(adjusted)][:-1]",
    ),
    (
        "log_returns",
        "np.diff(np.log(adjusted[~np.isnan(adjusted)]))",
        "-np.diff(np.log(adjusted[~np.isnan(adjusted)]))",
    ),
    ("log_returns", "np.diff(np.log(", "np.diff(np.log10("),
    (
        "log_returns",
        "np.diff(np.log(adjusted[~np.isnan(adjusted)]))",
        "np.diff(np.log(adjusted[~np.isnan(adjusted)]), prepend=0)",
    ),
    ("standardise", "train = features[:train_days]", "train = features"),
    (
        "standardise",
        "train = features[:train_days]",
        "train = features[train_days:] if train_days < len(features) else features",
    ),
    ("standardise", "train.std(axis=0)", "train.std(axis=0, ddof=1)"),
    ("standardise", "train.mean(axis=0), train.std(axis=0)", "train.mean(), train.std()"),
    ("standardise", "    deviations = np.where(deviations == 0, 1.0, deviations)\n", ""),
    (
        "standardise",
        "return (features - means) / deviations, means",
        "return (train - means) / deviations, means",
    ),
    (
        "standardise",
        "return (features - means) / deviations,",
        "features -= means\n    features /= deviations\n    return features,",
    ),
    ("walk_forward", "start - horizon + 1, start", "start, start"),  # the future of a long horizon leaks in
    ("walk_forward", "start - horizon + 1, start", "start - horizon, start"),
    ("walk_forward", "start - horizon + 1, start", "first_test - horizon + 1, start"),  # never refit
    ("walk_forward", "start - horizon + 1, start", "start + block, start"),
    ("walk_forward", "min(start + block, rows)", "start + block"),
    ("walk_forward", "range(first_test, rows, block)", "range(first_test, rows - block + 1, block)"),
    ("walk_forward", "range(first_test, rows, block)", "range(first_test, rows, block + horizon)"),
    ("score_directions", "(predicted != 0) & (actual != 0)", "np.ones(len(actual), bool)"),
    ("score_directions", "(predicted != 0) & (actual != 0)", "actual != 0"),
    ("score_directions", "return right / days", "return right / len(actual)"),
    ("score_directions", "range(right, days + 1)", "range(right + 1, days + 1)"),
    ("score_directions", "range(right, days + 1)", "range(0, right + 1)"),
    ("score_directions", "tail / 2**days", "min(1.0, 2 * tail / 2**days)"),
    ("score_directions", "tail / 2**days", "tail / 2.0**days"),  # overflows
    ("score_directions", "tail / 2**days", "0.5 * math.erfc((right - days / 2) / math.sqrt(days / 2))"),
    ("score_directions", 'raise ValueError("no day counts")', "return 0.5, 1.0"),
    (
        "conformal_intervals",
        "errors[day - memory : day]",
        "errors[day - memory + 1 : day + 1]",
    ),  # knows today
    ("conformal_intervals", "np.sort(errors[day - memory : day])", "np.sort(errors[:day])"),
    ("conformal_intervals", "np.sort(errors[day - memory : day])", "np.sort(errors[:memory])"),
    (
        "conformal_intervals",
        "np.sort(errors[day - memory : day])[k - 1]",
        "np.sort(errors)[int(len(errors) * coverage)]",
    ),
    ("conformal_intervals", "[k - 1]", "[min(k, memory - 1)]"),
    (
        "conformal_intervals",
        "math.ceil(round((memory + 1) * coverage, 9))",
        "math.ceil(round(memory * coverage, 9))",
    ),
    (
        "conformal_intervals",
        "np.sort(errors[day - memory : day])[k - 1]",
        "np.quantile(errors[day - memory : day], coverage)",
    ),
    ("conformal_intervals", "errors = np.abs(actual - predicted)", "errors = actual - predicted"),
    ("conformal_intervals", "middle = predicted[memory:]", "middle = actual[memory - 1 : -1]"),
    ("conformal_intervals", "    if k > memory:", "    k = min(k, memory)\n    if k > memory:"),
    ("diebold_mariano", "errors**2 - rival_errors**2", "np.abs(errors) - np.abs(rival_errors)"),
    ("diebold_mariano", "errors**2 - rival_errors**2", "rival_errors**2 - errors**2"),
    ("diebold_mariano", "errors**2 - rival_errors**2", "(errors - rival_errors) ** 2"),
    ("diebold_mariano", "math.sqrt(difference.var() / len(difference))", "difference.std()"),
    (
        "diebold_mariano",
        "math.sqrt(difference.var() / len(difference))",
        "(difference.var() / len(difference))",
    ),
    ("diebold_mariano", "difference.var()", "difference.var(ddof=1)"),
    ("diebold_mariano", "math.erfc(abs(statistic) / math.sqrt(2))", "math.erfc(statistic / math.sqrt(2))"),
    (
        "diebold_mariano",
        "math.erfc(abs(statistic) / math.sqrt(2))",
        "0.5 * math.erfc(abs(statistic) / math.sqrt(2))",
    ),
    ("diebold_mariano", "    if not difference.any():\n        return 0.0, 1.0\n", ""),
    ("diebold_mariano", "if len(errors) != len(rival_errors):", "if False:"),
    ("standardise", "deviations == 0", "deviations < 0.01"),
]
