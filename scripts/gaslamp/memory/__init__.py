"""What is remembered from project to project: snapshot in, hints and facts through a gate, lessons out."""
