"""What the pages about data show: folders, inspections with their fixes, and galleries. No requests here."""
