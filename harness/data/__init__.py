"""Data: facts, wordings, formats of questions, and the files of users."""
