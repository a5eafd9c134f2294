"""Week 8: the captioner, put together from the pieces of weeks 1 to 7."""
