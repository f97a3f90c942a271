"""The report of a night, for people (report.html) and for programs (report.json).

`build_report` reads the night's tables and the facts that the steps left, and gives all that the report says as JSON values;
`write_report` puts that into the two files. Equal nights give equal bytes. Hashes and masked values only.
"""

from jobs.report.build import build_report
from jobs.report.page import render_page, write_report

__all__ = ["build_report", "render_page", "write_report"]
