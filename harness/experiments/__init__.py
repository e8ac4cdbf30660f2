"""What is run: scenarios, cells, grids, and what a user selects."""
