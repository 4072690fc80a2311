"""The parity gate: the model that ships is the model that was evaluated."""
