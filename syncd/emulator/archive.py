"""Office files are zips of XML: how their parts and relations are found."""

from __future__ import annotations

import io
import posixpath
import re
import xml.etree.ElementTree as ET
import zipfile

_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}"


class Archive:
    """An opened office file. Raises whatever a broken zip or XML raises."""

    def __init__(self, content: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        self.names = [info.filename for info in self._zip.infolist()]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def xml(self, name: str) -> ET.Element:
        """The root of a part."""
        return ET.fromstring(self._zip.read(name))  # noqa: S314 - the emulator reads what its own tests send

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Relation id to (last word of its type, target as an archive name or as it stands for links)."""
        folder, base = posixpath.split(part)
        name = f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels"
        if name not in self.names:
            return {}
        found = {}
        for relation in self.xml(name).iter(f"{_RELATIONS}Relationship"):
            target = relation.get("Target", "")
            if relation.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join(folder, target)) if target[:1] != "/" else target[1:]
            found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], target)
        return found

    def main_part(self, otherwise: str) -> str:
        """The part that the package says is the document."""
        return self.related("", "officeDocument", otherwise)

    def related(self, part: str, kind: str, otherwise: str) -> str:
        """The part of a kind that another part points to."""
        for found, target in self.relations(part).values():
            if found == kind and target in self.names:
                return target
        return otherwise


def numbered(names: list[str], pattern: str) -> list[str]:
    """Members such as slide1.xml, slide2.xml, slide10.xml in the order of their numbers."""
    found = [(int(match.group(1)), name) for name in names if (match := re.fullmatch(pattern, name))]
    return [name for _, name in sorted(found)]
