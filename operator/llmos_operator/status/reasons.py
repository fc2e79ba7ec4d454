"""The closed list of condition reasons. A reason that a workload reports in its termination message is taken only if it stands here."""

from enum import StrEnum

__all__ = ["Reason", "reason_or"]


class Reason(StrEnum):
    """Why a condition has its status."""

    Initializing = "Initializing"
    DependencyNotFound = "DependencyNotFound"
    DependencyNotReady = "DependencyNotReady"
    NoModelFits = "NoModelFits"
    JobPending = "JobPending"
    JobRunning = "JobRunning"
    Suspended = "Suspended"
    PodUnschedulable = "PodUnschedulable"
    ImagePullFailed = "ImagePullFailed"
    MountFailed = "MountFailed"
    ContainerCrashed = "ContainerCrashed"
    OutOfMemory = "OutOfMemory"
    QuotaExceeded = "QuotaExceeded"
    PodSecurityViolation = "PodSecurityViolation"
    InitContainerFailed = "InitContainerFailed"
    JobFailed = "JobFailed"
    DeadlineExceeded = "DeadlineExceeded"
    ChecksumMismatch = "ChecksumMismatch"
    InvalidRules = "InvalidRules"
    InvalidSource = "InvalidSource"
    InvalidSpec = "InvalidSpec"
    InvalidConfig = "InvalidConfig"
    TooManyDerivedFacts = "TooManyDerivedFacts"
    TrainingDiverged = "TrainingDiverged"
    ResourcesTooSmall = "ResourcesTooSmall"
    ExportFailed = "ExportFailed"
    ExportDiffers = "ExportDiffers"
    PrecisionUnsupported = "PrecisionUnsupported"
    CalibrationMissing = "CalibrationMissing"
    InvalidDataset = "InvalidDataset"
    EvaluationContaminated = "EvaluationContaminated"
    GateFailed = "GateFailed"
    GateUndecided = "GateUndecided"
    LabelsPermuted = "LabelsPermuted"
    ChainBroken = "ChainBroken"
    ArtifactMissing = "ArtifactMissing"
    SignatureMissing = "SignatureMissing"
    SignatureInvalid = "SignatureInvalid"
    RegistryUnavailable = "RegistryUnavailable"
    Forbidden = "Forbidden"
    NameConflict = "NameConflict"
    ApiUnavailable = "ApiUnavailable"
    OperatorError = "OperatorError"
    TaskMismatch = "TaskMismatch"
    TaskNotServed = "TaskNotServed"
    PrecisionMissing = "PrecisionMissing"
    DigestNotFound = "DigestNotFound"
    Imported = "Imported"
    Built = "Built"
    Trained = "Trained"
    RollingOut = "RollingOut"
    Serving = "Serving"
    ScaledToZero = "ScaledToZero"
    Switching = "Switching"
    Active = "Active"


def reason_or(text: str, default: Reason) -> Reason:
    """Return the reason of this name, or the default if it is not on the list."""
    try:
        return Reason(text)
    except ValueError:
        return default
