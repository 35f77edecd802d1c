"""What must hold for any bytes taken for a model file; for tests and tools/fuzz_load.py."""

import hashlib

import regnet_c as rn

MARK = b'"checksum":"'


def check(content, folder):
    """Refused with ModelFileError, or a network that is the same when saved again.

    Returns True if it was loaded.
    """
    path, again = folder / "fuzzed", folder / "again"
    path.write_bytes(content)
    try:
        net = rn.Network.load(path)
    except rn.ModelFileError as error:
        assert len(str(error)) < 1000 and str(error).isprintable()
        return False
    body = b"".join(w.tobytes() for w in net.get_weights())
    assert content.endswith(body)
    net.save(again)
    twin = rn.Network.load(again)
    assert b"".join(w.tobytes() for w in twin.get_weights()) == body
    assert (twin.layers, twin.loss, twin.seed) == (net.layers, net.loss, net.seed)
    assert twin.metadata == net.metadata
    first = again.read_bytes()
    twin.save(again)
    assert again.read_bytes() == first
    return True


def repaired(content):
    """The file with a length, padding and checksum that fit its header, if it has one."""
    end = content.rfind(b"}}") + 2
    text, body = content[8:end], content[end:].lstrip(b" ")
    text += b" " * (-len(text) % 8)
    content = len(text).to_bytes(8, "little") + text + body
    at = content.find(MARK) + len(MARK)
    if at < len(MARK):
        return content
    zeros = content[:at] + b"0" * 64 + content[at + 64 :]
    return zeros[:at] + hashlib.sha256(zeros).hexdigest().encode() + zeros[at + 64 :]
