"""The page to share: one self-contained HTML file made from the comparison."""
