"""The same without TensorFlow, which takes ten seconds to come up: a model process sees no database.

So where a test is made for both databases, the real model is killed with the one, and this with the other.
"""

from tests.chaos.stages import stages_of
from tests.detection.toy_stages import load_verdict

STAGES = stages_of(load_verdict)
