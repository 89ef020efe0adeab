"""Words for why the door decided as it did, for those who manage it. A visitor is told less (`screen`)."""

from collections.abc import Mapping

from appliance.facts import Reason
from appliance.web.wording import Words

REASON: Mapping[Reason, Words] = {
    Reason.GRANTED: Words("Let in", tone="good"),
    Reason.UNKNOWN_FACE: Words(
        "Face not recognised", "A PIN works at once. To use the face, enrol this person.", "needs"
    ),
    Reason.UNKNOWN_PIN: Words(
        "PIN not known", "Type it again, then #. After several wrong tries the keypad pauses.", "needs"
    ),
    Reason.SPOOF: Words(
        "Not a live face",
        "A print or a screen, or poor light. Come in person with light on the face, or use a PIN.",
        "alarm",
    ),
    Reason.LOW_SCORE: Words(
        "Not sure enough", "Face the camera in even light and uncover the face, or use a PIN.", "needs"
    ),
    Reason.AMBIGUOUS: Words(
        "Two people look alike", "The face fits two enrolled people. A PIN tells them apart.", "needs"
    ),
    Reason.STALE: Words("Too late to count", "What the camera saw arrived too late. Try again.", "needs"),
    Reason.REPLAYED: Words("Already used", "The same request came twice; only the first counts. Ask again.", "needs"),
    Reason.WRONG_MODEL: Words(
        "Enrolled for another face model", "Enrol this person again. A PIN works meanwhile.", "needs"
    ),
    Reason.NOT_ENROLLED: Words(
        "Not enrolled any more", "This person was removed. Add them again to let them in.", "needs"
    ),
    Reason.SUSPENDED: Words("Access suspended", "Whoever manages this door can lift it.", "needs"),
    Reason.NOT_YET_VALID: Words(
        "Access has not begun", "It starts later. Check from when this person may enter.", "needs"
    ),
    Reason.EXPIRED: Words("Access has ended", "Renew how long this person may enter.", "needs"),
    Reason.NO_CONSENT: Words("No consent on record", "A face counts only with consent. A PIN works without.", "needs"),
    Reason.LOCKED_OUT: Words(
        "Too many wrong tries", "Wait until the pause is over. The way out always works.", "needs"
    ),
    Reason.LOCKDOWN: Words("Door in lockdown", "Nobody comes in until it is lifted. The way out is free.", "needs"),
    Reason.CLOCK_UNKNOWN: Words(
        "Clock not set", "Hours cannot be checked without the time. Connect the network or fit a clock.", "needs"
    ),
    Reason.UNKNOWN_CARD: Words("Card not known", "Give the card to a person first, or use a PIN.", "needs"),
    Reason.MALFORMED: Words("Not readable", "The card or pass came through damaged. Hold it still once more.", "needs"),
    Reason.FORGED: Words(
        "Pass not genuine", "This site did not sign it. Ask the visitor who gave it to them.", "alarm"
    ),
    Reason.OTHER_SITE: Words("Pass of another site", "It opens doors elsewhere. Issue one for this site.", "needs"),
    Reason.OTHER_DOOR: Words("Pass for another door", "Show the visitor to the door that the pass names.", "needs"),
    Reason.REVOKED: Words("Pass withdrawn", "Issue another if the visitor is to come in.", "needs"),
    Reason.USED_UP: Words("Pass used up", "It has opened as often as it may. Issue another.", "needs"),
    Reason.UNRECORDED: Words(
        "Use could not be written", "A pass opens only once its use is on the disk. Run lintel doctor.", "needs"
    ),
    Reason.BLOCKED: Words("On the blocklist", "The door stays shut for this person. Security has been told.", "alarm"),
    Reason.OUTSIDE_HOURS: Words("Outside their hours", "Their groups' schedules say when they may enter.", "needs"),
    Reason.PASSED_BACK: Words("Already inside", "They went in and were not seen to leave.", "needs"),
    Reason.DOOR_LOCKED: Words("Closed at this hour", "The door's mode lets nobody in now.", "needs"),
    Reason.WRONG_FACTOR: Words("Not by this means", "The door's mode asks for another one now.", "needs"),
    Reason.SECOND_FACTOR: Words("A second factor is due", "The first one was good. Show the other one.", "act"),
    Reason.ESCORT_MISSING: Words("Waiting for a host", "A visitor who enters only with a host.", "act"),
    Reason.NOT_READY: Words(
        "The door has only started", "People and rules are being read. If it lasts, run lintel doctor.", "needs"
    ),
}
