"""What goes in: facts, wordings, formats of questions, and files that people have."""
