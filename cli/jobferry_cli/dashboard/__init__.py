"""`jobferry dashboard`: a page on this machine for what the command does, with the caller's rights.

`security` decides who is answered, `server` carries requests to pages and actions, `layout` is the
frame of every page, `pages` show, `actions` do. A page holds no state but files that wait to be
started and the sentence about what was done last.
"""
