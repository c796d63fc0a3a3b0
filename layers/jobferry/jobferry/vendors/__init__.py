"""The job APIs that Jobferry knows, each a package against one small protocol (`vendors.protocol`)."""
