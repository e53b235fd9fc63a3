"""The command line, as the tests of the verbs drive it."""

from tests.cli.conftest import cli as cli
