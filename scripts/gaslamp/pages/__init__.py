"""What all HTML and Markdown pages share."""
