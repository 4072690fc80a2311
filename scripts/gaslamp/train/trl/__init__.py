"""The TRL + PEFT engine."""
