"""What the commands say: one model of rows and findings, and renderers that turn it into text, JSON or Markdown."""

from __future__ import annotations

from syncd.report.model import Column, Finding, Level, Lines, Report, Table

__all__ = ["Column", "Finding", "Level", "Lines", "Report", "Table"]
