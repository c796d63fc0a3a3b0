"""The job APIs that Jobferry knows, each a package against one protocol (`vendors.protocol`)."""
