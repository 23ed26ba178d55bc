"""What a metric is: labels, samples, exposition formats, targets, scraping."""
