"""What only AWS Lambda needs: environment, clients, events, logs. No other package imports it."""
