"""What a run tells people: report, result files, forecast, figures, costs of a run."""
