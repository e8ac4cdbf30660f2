"""Who writes how: character n-grams, how far two bodies of text are apart, and whose a text is."""

from harness.style._bayes import NaiveBayes
from harness.style._ngrams import counted_interval, divergence, divergence_interval, ngrams

__all__ = ["NaiveBayes", "counted_interval", "divergence", "divergence_interval", "ngrams"]
