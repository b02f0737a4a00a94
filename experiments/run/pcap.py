"""Writes a recording as a capture file (pcapng), so that Wireshark can audit the ledger.

The tap sees bytes and not packets. So the TCP and IPv4 headers are made up, and every packet says so in its comment:
each piece of bytes that passed the tap becomes a segment (several if it is long), at the time at which it passed;
sequence numbers count the bytes, and a made-up handshake opens each connection. Payload bytes are the recorded ones,
all of them, in order. Connections over the publisher's Unix socket get ports of their own.

The format: pcapng, draft-ietf-opsawg-pcapng, sections 4.1 (section header), 4.2 (interface) and 4.3 (packet).
Link type 101 is raw IP.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from experiments.run.recording import Connection, Recording

SERVER_PORT = 8000
FIRST_UNIX_PORT = 1024
SEGMENT_MOST = 65_000
"""An IPv4 packet has at most 65,535 bytes."""

CLIENT, SERVER = bytes([127, 0, 0, 2]), bytes([127, 0, 0, 1])
FIN, SYN, PUSH, ACK = 0x01, 0x02, 0x08, 0x10
NOTE = "TCP and IP headers are synthesised from what the server's tap recorded; only the payload was on the wire."
RAW_IP = 101


def write(recording: Recording, path: Path) -> int:
    """Write `recording` to `path`; returns how many packets it became."""
    packets = sorted(
        (packet for number, connection in enumerate(recording.connections) for packet in _packets(number, connection)),
        key=lambda packet: packet[0],
    )
    with path.open("wb") as file:
        _block(file, 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((1, NOTE.encode())))
        # if_tsresol 9: times are nanoseconds; monotonic ones, so Wireshark shows dates near 1970.
        _block(file, 1, struct.pack("<HHI", RAW_IP, 0, 0) + _options((9, b"\x09")))
        for at_ns, packet in packets:
            size = len(packet)
            head = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, size, size)
            _block(file, 6, head + _padded(packet) + _options((1, b"synthesised headers")))
    return len(packets)


def _packets(number: int, connection: Connection) -> Iterator[tuple[int, bytes]]:
    """(time, packet) of one connection: a handshake, every piece of bytes, and the end."""
    port = connection.client_port or FIRST_UNIX_PORT + number
    sent = {"up": 1, "down": 1}  # the handshake's SYN counts as one

    def packet(direction: str, flags: int, data: bytes = b"") -> bytes:
        other = "down" if direction == "up" else "up"
        made = _segment(port, direction, sent[direction], sent[other], flags, data)
        sent[direction] += len(data)
        return made

    opened_ns = connection.opened_ns
    yield opened_ns - 3, _segment(port, "up", 0, 0, SYN, b"")
    yield opened_ns - 2, _segment(port, "down", 0, 1, SYN | ACK, b"")
    yield opened_ns - 1, packet("up", ACK)
    last_ns = opened_ns
    for at_ns, direction, data in connection.pieces():
        last_ns = max(last_ns, at_ns)
        for start in range(0, len(data), SEGMENT_MOST):
            yield last_ns, packet(direction, PUSH | ACK, data[start : start + SEGMENT_MOST])
    closed_ns = max(last_ns, connection.closed_ns or 0) + 1
    yield closed_ns, packet("down", FIN | ACK)
    sent["down"] += 1
    yield closed_ns + 1, packet("up", FIN | ACK)


def _segment(port: int, direction: str, sequence: int, acknowledged: int, flags: int, data: bytes) -> bytes:
    """An IPv4 packet (RFC 791) with a TCP segment (RFC 9293) in it, checksums included."""
    up = direction == "up"
    source, target = (CLIENT, SERVER) if up else (SERVER, CLIENT)
    ports = (port, SERVER_PORT) if up else (SERVER_PORT, port)
    modulus = 1 << 32
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence % modulus, acknowledged % modulus, 5 << 4, flags, 65_535, 0, 0)
    pseudo = source + target + struct.pack(">BBH", 0, 6, len(tcp) + len(data))
    tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp + data)) + tcp[18:]
    total = 20 + len(tcp) + len(data)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0x4000, 64, 6, 0, source, target)
    return ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:] + tcp + data


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _block(file: BinaryIO, kind: int, body: bytes) -> None:
    size = 12 + len(body)
    file.write(struct.pack("<II", kind, size) + body + struct.pack("<I", size))


def _options(*options: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options) + b"\0" * 4


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
