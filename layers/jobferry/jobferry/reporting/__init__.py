"""What a run shows to people: report, result files, forecast, figures, costs of a run."""
