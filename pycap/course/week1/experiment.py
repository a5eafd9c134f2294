"""Week 1's experiment: borders in the plane, checked gradients, digits and clothes, all of it in NumPy."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from pycap.course.readers.idx import load_fashion_mnist
from pycap.course.week1.boundaries import compare_borders
from pycap.course.week1.curves import draw_clothes, draw_rates, load_digits
from pycap.course.week1.gradients import check_gradients, draw_gradients


def run(lab) -> None:
    """Draw and print everything that the lesson shows."""
    clothes = load_fashion_mnist(lab.data("fashion-mnist"))  # first of all: a missing data set shows at once
    digits = load_digits(lab.seed)
    test = clothes.test_images, clothes.test_labels
    with threadpool_limits(
        1
    ):  # matrices this small: threads cost more than they bring, much more on a busy machine
        compare_borders(lab)
        check_gradients(lab, *digits[0])
        draw_gradients(lab, *digits[0])
        draw_rates(lab, digits)
        draw_clothes(lab, clothes.train_images, clothes.train_labels, test)
