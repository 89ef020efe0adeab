"""Who is asking? A face in view is not intent: it must be near, look at the camera, and stay for a while. Pure."""

from math import atan2, cos, sin

from appliance.facts import Face
from appliance.vision.quality import MAX_ROLL, Pose

APPROACH = 0.75
"""From this share of the near width on the detector runs on every frame, and a look at the camera counts as dwell: an
approach with the eyes on the door is intent already."""
YAW_OF_NOSE = 64.0
"""Degrees of yaw for each inter-ocular distance by which the tip of the nose lies beside the middle of the eyes. LFW,
492 faces: correlation with the mesh's yaw 0.96, residual 3.8 degrees."""
SLACK = 8.0
"""Degrees that the detector's coarse points may be off (two residuals): the landmarks judge again."""


def rough_yaw(face: Face) -> float:
    """Degrees that a head is turned, by the detector's six points alone; positive to the person's own left."""
    right, left, nose = face.keypoints[:3]
    along = left - right
    apart = float((along[0] ** 2 + along[1] ** 2) ** 0.5)
    if not apart > 0:
        return 90.0
    angle = atan2(float(along[1]), float(along[0]))
    beside = nose - (right + left) / 2
    return YAW_OF_NOSE * (float(beside[0]) * cos(angle) + float(beside[1]) * sin(angle)) / apart


def may_look(face: Face, gaze_degrees: float) -> bool:
    """Whether a face that was only detected may be looking at the camera: one that surely is not is never meshed."""
    return abs(rough_yaw(face)) <= gaze_degrees + SLACK


def looks(pose: Pose, gaze_degrees: float) -> bool:
    """Whether a face whose landmarks are known looks at the camera. A nan does not."""
    return abs(pose.yaw) <= gaze_degrees and abs(pose.pitch) <= gaze_degrees and abs(pose.roll) <= MAX_ROLL
