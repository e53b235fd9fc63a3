"""Reports: a run goes in, a page or a table comes out. Every report is a pure function of the run."""
