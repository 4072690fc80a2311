"""A run repeated from its roadbook alone, and compared."""
