"""Showing documents: the self-contained HTML report and boxes drawn on a picture."""

from magpie.viz._pictures import Images, folder_images
from magpie.viz.draw import draw_boxes
from magpie.viz.report import ReportLimits, ReportSummary, report, write_report

__all__ = [
    "Images",
    "ReportLimits",
    "ReportSummary",
    "draw_boxes",
    "folder_images",
    "report",
    "write_report",
]
