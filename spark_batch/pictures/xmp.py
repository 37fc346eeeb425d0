"""Write, extend and read XMP packets. No Pillow here.

XMP (ISO 16684-1) is the metadata that picture tools and picture databases read in every format.
The facts are in a namespace of our own; prompt and model also where others look for them: in
Dublin Core's description and in the fields that IPTC's photo metadata 2025.1 has for prompt and
system. Whoever rewrites the packet, as picture tools do, may turn attributes into elements and
choose another prefix: it is read as XML, and one with a DOCTYPE, which could grow, is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers import expat

NAMESPACE = "urn:spark-batch:provenance:1.0:"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
# IPTC's term for a picture that a trained model made a part of (Digital Source Type NewsCodes).
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
MAX_PACKET = 1 << 20  # bytes of a packet that are read; what a JPEG holds in one piece is 64 KiB

_NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"',
    'xmlns:dc="http://purl.org/dc/elements/1.1/"',
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/"',
    f'xmlns:Iptc4xmpExt="{IPTC}"',
    f'xmlns:spark="{NAMESPACE}"',
)
_SOURCE = "DigitalSourceType"
_MARK = f'<rdf:Description rdf:about="" {_NAMESPACES[3]} Iptc4xmpExt:{_SOURCE}="{SOURCE_TYPE}"/>\n'
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="w"?>'
_END = b"</rdf:RDF>"
_RDF = re.compile(rb"""xmlns:rdf\s*=\s*["']http://www\.w3\.org/1999/02/22-rdf-syntax-ns#["']""")
# What a packet written here holds of ours, to be replaced by what is true now.
_OURS = re.compile(
    rb'<rdf:Description rdf:about="" xmlns:spark="'
    + re.escape(NAMESPACE.encode())
    + rb'"[^<>]*/>\n?'
)
# Characters that XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What attributes and elements cannot hold as it is, and line ends, which XML would change.
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


class _Refused(ValueError):
    """The packet is of a kind that is not read, such as one with a DOCTYPE."""


def renewed(packet: bytes | None, facts: Mapping[str, str]) -> bytes:
    """A packet with the mark of a trained model, and with `facts` by name where there are any.

    It is `packet` with them in it, or a new one without it; the same facts give the same bytes. Our
    earlier facts are replaced; what others wrote stays, a source type too. Raises ValueError when
    they cannot be added.
    """
    ours = packet is not None and packet.startswith(_HEAD.encode()) and _OURS.search(packet)
    return _composed(facts) if packet is None or ours else _added(packet, facts)


def _composed(facts: Mapping[str, str]) -> bytes:
    lines = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
        f"<rdf:RDF {_NAMESPACES[0]}>",
        f"{_described(facts) if facts else _MARK}</rdf:RDF>",
        "</x:xmpmeta>",
    )
    return (_HEAD + "\n".join(lines) + _TAIL).encode()


def _described(facts: Mapping[str, str]) -> str:
    """The mark and the facts, with prompt and model where others look for them."""
    prompt, model = facts.get("prompt", ""), facts.get("model", "")
    lines = (
        f'<rdf:Description rdf:about="" {" ".join(_NAMESPACES[1:4])}',
        f' xmp:CreatorTool="spark-batch" Iptc4xmpExt:AIPromptInformation={_quoted(prompt)}',
        f" Iptc4xmpExt:AISystemUsed={_quoted(model)}",
        f' Iptc4xmpExt:{_SOURCE}="{SOURCE_TYPE}">',
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{_text(prompt)}</rdf:li></rdf:Alt>'
        "</dc:description>",
        "</rdf:Description>",
        _description(facts),
    )
    return "\n".join(lines)


def _added(packet: bytes, facts: Mapping[str, str]) -> bytes:
    before, end, after = _OURS.sub(b"", packet).rpartition(_END)
    if not end or not _RDF.search(before):
        raise ValueError("it has XMP metadata that nothing can be added to")
    mark = "" if source_type(packet) else _MARK
    ours = f"{mark}{_description(facts) if facts else ''}"
    return before + ours.encode() + end + after


def read(packet: bytes) -> dict[str, str]:
    """The facts in a packet, by name; empty when it has none, or is broken or hostile."""
    return _collected(packet, NAMESPACE)


def source_type(packet: bytes) -> str | None:
    """IPTC's DigitalSourceType in a packet, an address; None without one."""
    return _collected(packet, IPTC).get(_SOURCE) or None


def _collected(packet: bytes, space: str) -> dict[str, str]:
    if len(packet) > MAX_PACKET or space.encode() not in packet:
        return {}
    reader = _Reader(space)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(packet.strip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, ValueError, LookupError):
        return {}
    return reader.facts


class _Reader:
    """Collects attributes and elements of a namespace; the last one of a name holds."""

    def __init__(self, space: str) -> None:
        self._space = space
        self.facts: dict[str, str] = {}
        self._open: str | None = None

    def refuse(self, *_: object) -> None:
        raise _Refused("a DOCTYPE")

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        for attribute, value in attributes.items():
            if (local := self._local(attribute)) is not None:
                self.facts[local] = value
        self._open = self._local(name)
        if self._open is not None:
            self.facts[self._open] = ""

    def text(self, text: str) -> None:
        if self._open is not None:
            self.facts[self._open] += text

    def end(self, _: str) -> None:
        self._open = None

    def _local(self, name: str) -> str | None:
        """The local name of an attribute or element of the namespace."""
        space, _, local = name.rpartition(" ")
        return local if space == self._space else None


def _description(facts: Mapping[str, str]) -> str:
    values = "".join(f"\n spark:{name}={_quoted(text)}" for name, text in facts.items())
    return f'<rdf:Description rdf:about="" {_NAMESPACES[4]}{values}/>\n'


def writable(text: str) -> str:
    """`text` with a mark for every character that XML cannot write."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    return writable(text).translate(_ESCAPES)
