"""A profile drafted from a file's header and first rows: functions of values, for CLI and page.

`fields` matches names, `readings` reads cells, `draft` puts the profile together, `text` writes it.
Nothing here talks to AWS, to a vendor, or to a terminal.
"""

from jobferry_cli.profile_draft.draft import Draft, Question, draft_profile
from jobferry_cli.profile_draft.sample import FileSample, read_sample
from jobferry_cli.profile_draft.text import profile_yaml

__all__ = ["Draft", "FileSample", "Question", "draft_profile", "profile_yaml", "read_sample"]
