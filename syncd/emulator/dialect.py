"""What differs between the FastGPT versions that can be emulated.

4.14 is what a real 4.14.5.1 answered. 4.12 and 4.16 follow the reference that was read from the source code; nobody
has measured them. Where the reference says nothing, they behave like 4.14, because that is the less kind choice.
Readers, splitter and full text are 4.14's in all of them: only those were held against the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version's habits. ``measured`` says whether a real server was asked."""

    name: str
    version: str
    measured: bool
    unknown_status_text: str  # statusText of thrown texts: "" up to 4.13.1, "error" later (fastgpt-api.md 1.3)
    real_statuses: bool  # HTTP status follows the error code from 4.14.11 on
    strict_bodies: bool  # zod schemas on all routes from 4.14.11 on
    object_store: bool  # S3 keys as file ids from 4.14.4 on; GridFS ids before
    name_limit: int | None  # stored names are cut with the object store only
    empty_files: bool  # zero bytes accepted up to 4.14.3
    local_metadata_key: str  # which key of localFile's data is kept (fastgpt-api.md 2.2.6)
    create_keeps_metadata: bool
    keeps_external_id: bool
    extension_whitelist: bool
    guesses_encoding: bool  # observed fact 1
    exact_status: bool  # activeTrainingAmount and friends from 4.15 on
    key_opens_dataset_update: bool
    delete_needs_object: bool
    dataset_needs_all_fields: bool
    upload_limit: int | None


_V412 = Dialect(
    name="4.12",
    version="4.12.1",
    measured=False,
    unknown_status_text="",
    real_statuses=False,
    strict_bodies=False,
    object_store=False,
    name_limit=None,
    empty_files=True,
    local_metadata_key="collectionMetadata",
    create_keeps_metadata=True,
    keeps_external_id=True,
    extension_whitelist=False,
    guesses_encoding=True,
    exact_status=False,
    key_opens_dataset_update=False,
    delete_needs_object=False,
    dataset_needs_all_fields=False,
    upload_limit=None,
)

_V414 = Dialect(
    name="4.14",
    version="4.14.5.1",
    measured=True,
    unknown_status_text="error",
    real_statuses=False,
    strict_bodies=False,
    object_store=True,
    name_limit=50,
    empty_files=False,
    local_metadata_key="collectionMetadata",
    create_keeps_metadata=True,
    keeps_external_id=True,
    extension_whitelist=False,
    guesses_encoding=True,
    exact_status=False,
    key_opens_dataset_update=False,
    delete_needs_object=False,
    dataset_needs_all_fields=False,
    upload_limit=500 * MEGABYTE,
)

_V416 = Dialect(
    name="4.16",
    version="4.16.0",
    measured=False,
    unknown_status_text="error",
    real_statuses=True,
    strict_bodies=True,
    object_store=True,
    name_limit=50,
    empty_files=False,
    local_metadata_key="metadata",
    create_keeps_metadata=False,
    keeps_external_id=False,
    extension_whitelist=True,
    guesses_encoding=False,
    exact_status=True,
    key_opens_dataset_update=True,
    delete_needs_object=True,
    dataset_needs_all_fields=True,
    upload_limit=1000 * MEGABYTE,
)

DIALECTS = {dialect.name: dialect for dialect in (_V412, _V414, _V416)}
