"""What Zendesk's APIs share: account, tokens, headers, errors."""
