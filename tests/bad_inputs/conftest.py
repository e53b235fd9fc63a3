"""The command line, as the tests of the verbs drive it; and what it imports, which is no case's memory."""

import aqaa_eval.cli.execute
import aqaa_eval.reports.html
import aqaa_eval.tasks.outside.files
import aqaa_eval.tasks.stepeval_audio_360
import aqaa_eval.tasks.validate  # noqa: F401
from tests.cli.conftest import cli as cli
