"""Reading the course's data sets into arrays; a broken file is one `ValueError` naming file, line and remedy."""
