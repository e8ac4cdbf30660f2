"""Speed beside other programs: ``python -m benchmarks`` writes docs/performance.md."""
