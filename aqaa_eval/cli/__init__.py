"""The command line. stdout is data, stderr is progress; importing it loads no heavy library."""
