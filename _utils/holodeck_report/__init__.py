"""One release told on a page, and as JUnit XML: records in, text out."""
