"""The words people read, for the page and the terminal alike: one table per question.

Each entry says what is so (`title`), what it means or what helps (`help`), and its tone. Tones:
`good` granted, or locked and well; `act` something is under way; `needs` someone should look;
`alarm` something is wrong now; `quiet` nothing to say. A tone is never shown without its words.
"""

from collections.abc import Mapping

from appliance.facts import Credential, Reason, Surround
from appliance.web.reasons import REASON
from appliance.web.wording import Tone, Words

__all__ = ["REASON", "Tone", "Words", "plain_word", "say", "say_event"]  # and the tables below, one by one

DOOR: Mapping[str, Words] = {
    "LOCKED": Words("Locked", "The door is shut and locked. The way out is free.", "good"),
    "UNLOCKED": Words("Unlocked", "Someone may come in now. It locks again by itself.", "good"),
    "OPEN": Words("Open", "The door stands open. It locks when it closes.", "act"),
    "HELD": Words("Held open", "The door has been open too long. Close it.", "needs", "Door held open"),
    "FORCED": Words(
        "Forced open", "It opened although nobody was let in or out. Go and look.", "alarm", "Door forced open"
    ),
    "LOCKDOWN": Words(
        "Lockdown", "Nobody comes in until it is lifted. The way out is free.", "needs", "Door in lockdown"
    ),
    "RELEASED": Words(
        "Released", "The fire input holds the lock open so that everyone can leave.", "alarm", "Door released"
    ),
}

LOCK: Mapping[str, Words] = {
    "secure": Words("Engaged", tone="good"),
    "released": Words("Released", tone="act"),
}

CONTACT: Mapping[str, Words] = {
    "closed": Words("Shut", tone="good"),
    "open": Words("Open", tone="act"),
    "none": Words("Not fitted", "Without one the door cannot tell that it was forced or held."),
}

STAGE: Mapping[str, Words] = {
    "idle": Words("Nobody here", "Waiting for someone to walk up."),
    "far": Words("Someone is coming", "Too far away to look closely."),
    "near": Words("Someone is at the door", "Near enough. Waiting for a sharp view from the front.", "act"),
    "checking": Words("Checking…", "Comparing several frames.", "act"),
    "resting": Words("Answer given", "A short rest before it may ask again."),
    "face_off": Words("Face recognition is off", "PIN and the way out work as always.", "needs"),
}

HINT: Mapping[str, Words] = {
    "come_closer": Words("Come closer"),
    "step_back": Words("Step back a little"),
    "one_person": Words("One person at a time"),
    "look_straight": Words("Look straight at the camera"),
    "hold_still": Words("Hold still"),
    "more_light": Words("More light on the face"),
    "less_light": Words("Less light on the face"),
    "lower_mask": Words("Lower the mask, or use the PIN"),
    "uncover_face": Words("Something covers the face"),
}

SCENE: Mapping[str, Words] = {
    "empty": Words("nobody is there"),
    "resident": Words("someone enrolled walks up"),
    "stranger": Words("a stranger walks up"),
    "photo": Words("someone holds up a photo"),
    "pin": Words("someone types a PIN"),
}

CREDENTIAL: Mapping[str, Words] = {
    Credential.FACE: Words("Face"),
    Credential.PIN: Words("PIN"),
    Credential.CARD: Words("Card"),
    Credential.PASS: Words("Visitor pass"),
    Credential.ADMIN: Words("Administrator"),
    Credential.REX: Words("Way out"),
    "fire": Words("Fire input"),
    "cli": Words("Command line"),
    "keypad": Words("Keypad"),
}

SURROUND: Mapping[str, Words] = {
    Surround.STILL: Words("Background stays still", "As with a person before a wall.", "good"),
    Surround.MOVES: Words("Background moves along", "As with a print or a screen held up.", "alarm"),
    Surround.ABSTAINS: Words("Too little motion to tell", "No evidence either way."),
}

STEP: Mapping[str, Words] = {
    "detect": Words("Find the face"),
    "mesh": Words("Place landmarks"),
    "align": Words("Straighten it"),
    "surround": Words("Watch the background"),
    "liveness": Words("Check it is live"),
    "embed": Words("Describe it"),
    "match": Words("Compare"),
}

CAMERA: Mapping[str, Words] = {
    "ok": Words("Working", tone="good"),
    "black": Words("Black picture", "Uncover the lens, or give it light.", "needs", "Camera sees only black"),
    "frozen": Words(
        "Picture frozen", "The camera repeats one picture. Check its cable.", "alarm", "Camera picture frozen"
    ),
    "stalled": Words("No picture", "The camera sends nothing. Check its cable.", "alarm", "No picture from the camera"),
}

VISION: Mapping[str, Words] = {
    "ok": Words("Working", tone="good"),
    "face_off": Words(
        "Face recognition is off", "A model file is missing or damaged: lintel doctor says which. PIN works.", "needs"
    ),
    "blind": Words("The camera is down", "PIN and the way out work. Check the camera.", "needs"),
    "lost": Words(
        "Face recognition is silent", "The vision process does not answer. PIN and the way out work.", "alarm"
    ),
}

KEYPAD: Mapping[str, Words] = {
    "ok": Words("Working", tone="good"),
    "none": Words("None fitted"),
    "lost": Words("Unplugged", "Check the keypad's cable. Face and the way out work.", "needs", "Keypad unplugged"),
    "locked_out": Words("Paused", "Too many wrong PINs. It comes back by itself.", "needs", "Keypad paused"),
}

STORE: Mapping[str, Words] = {
    "ok": Words("Written", tone="good"),
    "failed": Words(
        "Not written",
        "The door works and keeps what happens in memory. lintel doctor says what is wrong with the disk.",
        "needs",
        "The record cannot be written",
    ),
}

MQTT: Mapping[str, Words] = {
    "off": Words("Not set up", "Events stay on this device."),
    "online": Words("Connected", tone="good"),
    "offline": Words(
        "Not connected",
        "Events are kept here and sent later. Check the network and the broker.",
        "needs",
        "Broker not connected",
    ),
}

PROCESS: Mapping[str, Words] = {
    "door": Words(
        "The door process is silent",
        "Face and PIN may not work. Whoever is inside uses the button or the handle.",
        "alarm",
    ),
    "vision": Words("The camera process is silent", "PIN and the way out work. It is restarted by itself.", "needs"),
    "net": Words("The network process is silent", "The door works. Events are kept and sent later.", "needs"),
}

EVENT: Mapping[tuple[str, str], Words] = {
    ("door", "unlocked"): Words("Unlocked", tone="good"),
    ("door", "locked"): Words("Locked"),
    ("door", "opened"): Words("Opened"),
    ("door", "closed"): Words("Closed"),
    ("door", "held"): Words("Held open too long", tone="needs"),
    ("door", "forced"): Words("Forced open", tone="alarm"),
    ("door", "withheld"): Words("Let in, but the door is in lockdown", tone="needs"),
    ("door", "lockdown"): Words("Lockdown began", tone="needs"),
    ("door", "lockdown_end"): Words("Lockdown lifted", tone="good"),
    ("door", "released"): Words("Released by the fire input", tone="alarm"),
    ("door", "fire_end"): Words("Fire input back to normal", tone="good"),
    ("door", "free"): Words("Unlocked for everybody", tone="act"),
    ("door", "free_end"): Words("No longer unlocked for everybody"),
    ("door", "tailgating"): Words("Somebody went in behind a person let in", tone="alarm"),
    ("pin", "duress"): Words("Opened under duress", "Somebody is being forced. Get help.", "alarm"),
    ("tamper", "case_open"): Words("The case was opened", tone="alarm"),
    ("tamper", "case_closed"): Words("The case was closed"),
    ("audit", "person_added"): Words("Person added"),
    ("audit", "renamed"): Words("Person renamed"),
    ("audit", "person_removed"): Words("Person removed and erased"),
    ("audit", "consent_given"): Words("Consent recorded"),
    ("audit", "consent_withdrawn"): Words("Consent withdrawn, face erased"),
    ("audit", "consent_expired"): Words("Consent ended, face erased", tone="needs"),
    ("audit", "templates_added"): Words("Face enrolled"),
    ("audit", "templates_removed"): Words("Face pictures replaced", "The templates enrolled before are deleted."),
    ("audit", "suspended"): Words("Access suspended"),
    ("audit", "resumed"): Words("Suspension lifted"),
    ("audit", "extended_on"): Words("Longer opening time given"),
    ("audit", "extended_off"): Words("Longer opening time ended"),
    ("audit", "validity_set"): Words("Dates of access changed"),
    ("audit", "groups_set"): Words("Groups changed"),
    ("audit", "pin_set"): Words("PIN set"),
    ("audit", "pin_refused"): Words("A wished PIN was refused"),
    ("audit", "pin_removed"): Words("PIN removed"),
    ("audit", "pass_issued"): Words("Visitor pass issued"),
    ("audit", "pass_revoked"): Words("Visitor pass withdrawn"),
    ("audit", "card_set"): Words("Card given"),
    ("audit", "card_removed"): Words("Card taken away"),
    ("audit", "duress_pin_set"): Words("PIN for duress set"),
    ("audit", "duress_pin_removed"): Words("PIN for duress removed"),
    ("audit", "schedule_set"): Words("Schedule changed"),
    ("audit", "schedule_removed"): Words("Schedule removed"),
    ("audit", "calendar_set"): Words("Calendar loaded"),
    ("audit", "calendar_removed"): Words("Calendar removed"),
    ("audit", "group_hours_set"): Words("Hours of a group changed"),
    ("audit", "mode_set"): Words("Mode of the door changed"),
    ("audit", "mode_removed"): Words("Mode of the door removed"),
    ("audit", "default_mode_set"): Words("Usual mode of the door changed"),
    ("audit", "visit_set"): Words("Visit granted"),
    ("audit", "visit_removed"): Words("Visit ended"),
    ("audit", "banned"): Words("Put on the blocklist", tone="needs"),
    ("audit", "unbanned"): Words("Taken off the blocklist"),
    ("audit", "alike_set"): Words("Marked as looking like someone else"),
    ("audit", "alike_cleared"): Words("No longer marked as looking alike"),
    ("audit", "passback_forgiven"): Words("Anti-passback reset"),
    ("audit", "unlock_ordered"): Words("Unlock ordered"),
    ("audit", "lockdown_on"): Words("Lockdown of this door ordered", tone="needs"),
    ("audit", "site_lockdown_on"): Words("Lockdown of the whole site ordered", tone="needs"),
    ("audit", "site_lockdown_off"): Words("The site's lockdown lifted", "This door's own stays, if there is one."),
    ("audit", "calibrated"): Words("Thresholds set by this site's own faces"),
    ("audit", "calibration_removed"): Words("Thresholds are the model's own again"),
    ("audit", "lockdown_off"): Words("This door's lockdown lifted", "The site's stays, if there is one."),
    ("sys", "started"): Words("Door process started"),
    ("sys", "stopped"): Words("Door process stopped"),
    ("sys", "vision_lost"): Words("Face recognition went silent", tone="needs"),
    ("sys", "vision_back"): Words("Face recognition is back", tone="good"),
    ("sys", "camera_lost"): Words("The camera failed", tone="needs"),
    ("sys", "line_lost"): Words("A switch cannot be read", tone="needs"),
    ("sys", "line_bouncing"): Words("A switch chatters and is not believed", tone="needs"),
    ("sys", "line_calm"): Words("A switch that chattered is calm again", tone="good"),
    ("sys", "contact_stuck"): Words("The door contact never sees the door open", tone="needs"),
    ("sys", "contact_back"): Words("The door contact sees the door again", tone="good"),
    ("sys", "rex_stuck"): Words("The button inside is held down or stuck", tone="needs"),
    ("sys", "rex_back"): Words("The button inside is up again", tone="good"),
    ("sys", "keypad_lost"): Words("Keypad unplugged", tone="needs"),
    ("sys", "keypad_back"): Words("Keypad is back", tone="good"),
    ("sys", "reader_lost"): Words("The card reader went silent", tone="needs"),
    ("sys", "reader_unproven"): Words("The card reader does not prove its key", tone="alarm"),
    ("sys", "reader_back"): Words("The card reader is back", tone="good"),
    ("sys", "panel_lost"): Words("The other panel went silent", tone="needs"),
    ("sys", "panel_unproven"): Words("The other panel does not prove its key", tone="alarm"),
    ("sys", "panel_back"): Words("The other panel is back", tone="good"),
    ("sys", "panel_missed"): Words("The other panel was not told of a visitor", tone="needs"),
    ("sys", "store_lost"): Words("The record could not be written", tone="needs"),
    ("sys", "store_back"): Words("The record is written again", tone="good"),
    ("sys", "events_lost"): Words("Events were lost while the disk failed", tone="alarm"),
    ("sys", "event_damaged"): Words("An event in the record is damaged", tone="alarm"),
    ("sys", "event_unwritable"): Words("An event could not be recorded", tone="alarm"),
    ("sys", "disk_full"): Words("The disk is full", tone="needs"),
    ("sys", "gap"): Words("Older events were thinned out", tone="needs"),
    ("sys", "help_called"): Words("A visitor called for help", tone="needs"),
    ("sys", "pin_unusable"): Words("PINs could not be checked", tone="needs"),
    ("sys", "doorline_refused"): Words("Messages to the door were refused", tone="needs"),
    ("sys", "command_refused"): Words("A command from the broker was refused", tone="needs"),
    ("audit", "remote_command"): Words("Ordered from afar, signed", tone="act"),
    ("sys", "bad_message"): Words("A message from the broker was refused", tone="needs"),
}


def say(table: Mapping[str, Words], word: str | None) -> Words:
    """Words for one state. One that the table does not know is shown as it is, so that it is not hidden."""
    if word is None:
        return Words("Not known yet")
    return table.get(word) or Words(plain_word(word))


def say_event(kind: str, why: str) -> Words:
    """Words for one event: a decision's reason where `why` is one, else the event's own."""
    known = EVENT.get((kind, why))
    if known:
        return known
    try:
        return REASON[Reason(why)]
    except ValueError:
        return Words(plain_word(why))


def plain_word(word: str) -> str:
    """`held_cleared` -> `Held cleared`: a stable word that has no entry of its own."""
    spaced = " ".join(word.replace("_", " ").split())[:60]
    return spaced[:1].upper() + spaced[1:] or "Not known"
