"""The eight-week course: lessons, experiments and an autograder, from a perceptron to the captioner."""
