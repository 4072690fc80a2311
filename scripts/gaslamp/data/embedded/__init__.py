"""What a first run needs and nobody has to download: a small data set and questions that show what a model forgot."""
