"""The served model: started and stopped by make deploy and make stop, asked in the browser or the terminal."""
