"""The referee for memories of chats: systems side by side on published conversations."""

from harness.referee._asking import ALIKE, HINTED, STYLES, abstains, known_style, worded
from harness.referee._endpoint import PREFIX, EndpointSystem, messages_of
from harness.referee._figures import Against, Column, Scored, against, corrected, scored
from harness.referee._judging import longmemeval_judge
from harness.referee._learnt import LEARNT, MemorySystem
from harness.referee._published import is_yes, locomo_score, token_f1, yes_or_no
from harness.referee._run import Referee
from harness.referee._systems import Fed, PolicySystem, Reply, System, passages_of, policy_system
from harness.referee._tables import compared, report, values
from harness.referee._transcripts import Transcript, transcript

__all__ = [
    "ALIKE",
    "HINTED",
    "LEARNT",
    "PREFIX",
    "STYLES",
    "Against",
    "Column",
    "EndpointSystem",
    "Fed",
    "MemorySystem",
    "PolicySystem",
    "Referee",
    "Reply",
    "Scored",
    "System",
    "Transcript",
    "abstains",
    "against",
    "compared",
    "corrected",
    "is_yes",
    "known_style",
    "locomo_score",
    "longmemeval_judge",
    "messages_of",
    "passages_of",
    "policy_system",
    "report",
    "scored",
    "token_f1",
    "transcript",
    "values",
    "worded",
    "yes_or_no",
]
