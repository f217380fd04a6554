"""Spreadsheets: the tables of a sheet from its cells, whatever the format (`model`, `blocks`,
`headers`, `tables`), Excel files of today (`workbook` first: `cells`, `values`, `forms`, `around`) and
of old (`old_workbook`).
"""
