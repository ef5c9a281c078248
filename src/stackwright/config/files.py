"""What every provider of files is told."""

from pydantic import Field

from stackwright.config.section import Section
from stackwright.config.storage import StoreReference


class FilesConfig(Section):
    """Where the rows of files are; where their bytes are is for each type to say."""

    metadata_store: StoreReference = Field(
        StoreReference(backend="sql_default", table_name="files_metadata"),
        description="The table that says which files there are; their bytes are elsewhere.",
    )

    @property
    def place(self) -> str:
        """Where the bytes are, for people to read. Empty where a type does not say."""
        return ""
