"""What every pod of ours does first and last; see `run_job` for Jobs and `load_inference_config` for inference pods."""

from llmos.workload.config import (
    DEFAULT_CONFIG_PATH,
    InferenceConfig,
    JobConfig,
    KnowledgeConfig,
    KnowledgeRef,
    ObjectRef,
    ParentRef,
    SourceAccess,
    load_inference_config,
    load_job_config,
    load_knowledge_config,
)
from llmos.workload.fetch_source import Reach, Resolved, Wanted, fetch_source
from llmos.workload.http_files import HttpFile, fetch_http_files
from llmos.workload.hugging_face import HuggingFaceRepository, fetch_hugging_face
from llmos.workload.logs import configure_logging, redact
from llmos.workload.object_store import fetch_from_s3
from llmos.workload.oci_artifact import fetch_oci_artifact
from llmos.workload.python_package import fetch_python_package
from llmos.workload.report import Reporter
from llmos.workload.run import JobMain, Result, run_job
from llmos.workload.s3_folder import S3Folder
from llmos.workload.source_secret import SourceSecret
from llmos.workload.termination import write_termination
from llmos.workload.volume import fetch_from_volume

__all__ = [
    "DEFAULT_CONFIG_PATH",
    "HttpFile",
    "HuggingFaceRepository",
    "InferenceConfig",
    "JobConfig",
    "JobMain",
    "KnowledgeConfig",
    "KnowledgeRef",
    "ObjectRef",
    "ParentRef",
    "Reach",
    "Reporter",
    "Resolved",
    "Result",
    "S3Folder",
    "SourceAccess",
    "SourceSecret",
    "Wanted",
    "configure_logging",
    "fetch_from_s3",
    "fetch_from_volume",
    "fetch_http_files",
    "fetch_hugging_face",
    "fetch_oci_artifact",
    "fetch_python_package",
    "fetch_source",
    "load_inference_config",
    "load_job_config",
    "load_knowledge_config",
    "redact",
    "run_job",
    "write_termination",
]
