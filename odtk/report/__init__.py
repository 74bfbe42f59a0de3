"""The parts of all HTML pages and pictures: drawing, galleries, charts and findings, and the page around them."""
