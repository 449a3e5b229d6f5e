"""Reports of benchmarks: tables, charts and pages made of a store."""
