"""Suites made elsewhere: tables of any column names, on disk or on the hub, brought into the form of a manifest."""
