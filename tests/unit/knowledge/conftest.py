"""A tiny knowledge base, written as its real formats are written."""

from pathlib import Path

import pytest

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot

OBO = """\
format-version: 1.2
data-version: hp/releases/2025-01-16

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000118
name: Phenotypic abnormality
is_a: HP:0000001 ! All

[Term]
id: HP:0001250
name: Seizure
alt_id: HP:0002279
def: "A \\"fit\\"." []
synonym: "Epileptic seizure" EXACT []
synonym: "Seizures" EXACT plural_form []
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0000256
name: Macrocephaly
synonym: "Large head" EXACT layperson []
is_a: HP:0000118

[Term]
id: HP:0001252
name: Hypotonia
synonym: "Low muscle tone" EXACT layperson []
synonym: "Weakness" RELATED []
is_a: HP:0000118

[Term]
id: HP:0001324
name: Muscle weakness
synonym: "Weakness" EXACT layperson []
is_a: HP:0000118

[Term]
id: HP:0009999
name: Old seizure
is_obsolete: true
replaced_by: HP:0001250

[Typedef]
id: part_of
name: part of
"""

_HEADER = "database_id disease_name qualifier hpo_id reference evidence onset frequency sex modifier aspect biocuration"


def hpoa_line(disease: str, name: str, qualifier: str, term: str, frequency: str = "", aspect: str = "P", reference: str = "PMID:1") -> str:
    return "\t".join([disease, name, qualifier, term, reference, "PCS", "", frequency, "", "", aspect, "HPO:x[2020-01-01]"]) + "\n"


HPOA = (
    "#description: tiny\n#version: 2025-01-16\n"
    + _HEADER.replace(" ", "\t")
    + "\n"
    + hpoa_line("OMIM:1", "Low-tone syndrome", "", "HP:0001252", "1/2")
    + hpoa_line("OMIM:1", "Low-tone syndrome", "", "HP:0001252", "9/10", reference="PMID:2")
    + hpoa_line("OMIM:1", "Low-tone syndrome", "", "HP:0000256", "HP:0040282")
    + hpoa_line("OMIM:1", "Low-tone syndrome", "NOT", "HP:0001250")
    + hpoa_line("OMIM:2", "Seizure disease 2", "", "HP:0002279", "80%")
    + hpoa_line("OMIM:2", "Seizure disease 2", "", "HP:0009999", "80%")
)


def write_sources(directory: Path, obo: str = OBO, hpoa: str = HPOA) -> list[SourceFile]:
    files = []
    for path, format_name, text in (("data/hp.obo", "OBO", obo), ("data/phenotype.hpoa", "HPOA", hpoa)):
        location = directory / Path(path).name
        location.write_text(text)
        files.append(SourceFile(source="hpo", path=path, format=format_name, package_version="4.0.0", location=location))
    return files


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceFile]:
    return write_sources(tmp_path)


@pytest.fixture(scope="session")
def snapshot_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("snapshot")
    build_snapshot(write_sources(tmp_path_factory.mktemp("sources")), directory, linking=LinkingSettings())
    return directory


@pytest.fixture(scope="session")
def snapshot(snapshot_path: Path) -> Snapshot:
    with Snapshot.open(snapshot_path) as opened:
        yield opened
