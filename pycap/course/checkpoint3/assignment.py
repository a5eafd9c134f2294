"""Checkpoint 3: stock prediction. The method is the assignment: where most published forecasts go wrong.

Replace each `raise NotImplementedError` by your code; NumPy and `math` are all you need. Change no argument in place.
Check as often as you like:

    pycap course check checkpoint3 DIR
"""

import math  # noqa: F401

import numpy as np  # noqa: F401


def log_returns(adjusted):
    """Turn adjusted closing prices into returns, ln(price / price of the trading day before).

    Files of real prices have holes: a row without a price (NaN) was no trading day. Leave such rows out *before*
    anything else, so that the day after a hole is compared with the day before it.

    Args:
        adjusted: prices, oldest first, some of them NaN, `(days,)`.

    Returns:
        `(days with a price - 1,)`.

    Example:
        log_returns([100, 110, nan, 99]) gives [ln(1.1), ln(0.9)] = [0.0953, -0.1054].
    """
    raise NotImplementedError("log_returns: your turn")


def standardise(features, train_days):
    """Bring every feature to mean 0 and deviation 1 *as measured on the training days*, which come first.

    The test days are the future: they are scaled like the training days but take no part in measuring.

    Args:
        features: `(days, features)`.
        train_days: how many days, from the first on, belong to the training part.

    Returns:
        the scaled features `(days, features)`, means `(features,)` and deviations `(features,)`, the latter divided
        by the number of days (not by one less). A feature that is constant on the training days has a deviation
        of 0; it is divided by 1 instead, and its deviation is returned as 1.
    """
    raise NotImplementedError("standardise: your turn")


def walk_forward(rows, first_test, block, horizon):
    """Plan a walk-forward evaluation: before each block of test rows, a refit on the past.

    Row r stands for the evening of day r: what it is to forecast is known in the evening of day r + horizon. The
    first block begins at row `first_test`, each next one where the one before ended; the last may be shorter. Before
    a block whose first row is s, a model may be trained on every row from 0 on whose answer is known in the evening
    of day s (in that very evening counts as known), and on no other.

    Args:
        rows: how many there are.
        first_test: the first row to be tested.
        block: rows of a block.
        horizon: days from a forecast to its answer, 1 or more.

    Returns:
        a list of (train_end, test_start, test_end), oldest first: training uses rows 0 to train_end - 1, the test
        rows test_start to test_end - 1.

    Example:
        walk_forward(10, 6, 3, horizon=1) gives [(6, 6, 9), (9, 9, 10)].
    """
    raise NotImplementedError("walk_forward: your turn")


def score_directions(predicted, actual):
    """Tell how often the sign was right, and how easily a coin does as well.

    Days on which the price did not move (actual is 0) or nothing was forecast (predicted is 0) do not count.

    Args:
        predicted, actual: returns, `(days,)`.

    Returns:
        the share of counted days whose sign was right, and the chance that a fair coin, thrown once for each
        counted day, is right at least as often: the exact binomial tail, the observed number included. Files may
        have thousands of days.

    Raises:
        ValueError: no day counts.

    Example:
        score_directions([1, 1, -1, 2, 0], [3, -1, -2, 0, 5]) gives (2/3, 0.5): three days count, two are right, and
        a coin has 2 or 3 of 3 right with a chance of 4/8.
    """
    raise NotImplementedError("score_directions: your turn")


def conformal_intervals(predicted, actual, coverage, memory):
    """Put an interval around every forecast, as wide as the errors of the last `memory` days demand.

    For day t, take the absolute errors |actual - predicted| of the days t - memory to t - 1, and of these the k-th
    smallest, where k is (memory + 1) * coverage rounded up; the interval reaches that far to both sides of
    predicted[t]. The first `memory` days have no interval.

    Args:
        predicted, actual: `(days,)`; actual[t] is not known when the interval of day t is made.
        coverage: share of days that shall fall inside, between 0 and 1, such as 0.8.
        memory: days to look back.

    Returns:
        lower and upper bounds, `(days - memory,)` each.

    Raises:
        ValueError: k is larger than memory: so few errors cannot give this coverage.

    Example:
        predicted [0, 0, 0, 0, 10], actual [1, -2, 3, -4, 99], coverage 0.5, memory 4: k = 3, so the bounds of the
        last day are 10 - 3 and 10 + 3.
    """
    raise NotImplementedError("conformal_intervals: your turn")


def diebold_mariano(errors, rival_errors):
    """Test whether one forecast's squared errors are smaller than a rival's by more than chance.

        d_t       = errors_t^2 - rival_errors_t^2
        statistic = mean(d) / sqrt(variance(d) / days)        the variance divided by days, not by one less
        p         = chance that a standard normal number is further from 0, on either side: erfc(|statistic| / sqrt(2))

    (For forecasts one day ahead; further ones need the covariance of neighbouring days as well.)

    Args:
        errors, rival_errors: forecast minus actual on the same days, `(days,)`.

    Returns:
        statistic and p, two numbers; the statistic is negative when `errors` are smaller. Where all d are 0 there is
        nothing to tell apart: 0.0 and 1.0.

    Raises:
        ValueError: the two have different lengths.
    """
    raise NotImplementedError("diebold_mariano: your turn")
