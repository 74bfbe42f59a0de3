"""What every page and picture is made of: drawing, galleries, charts and findings, in the frame that `page` gives."""
