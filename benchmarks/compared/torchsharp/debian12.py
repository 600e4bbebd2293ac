"""Lets TorchSharp 0.107 load on Debian 12, whose libstdc++ is of GCC 12.

libLibTorchSharp.so asks for version GLIBCXX_3.4.32 of libstdc++ (GCC 13) because of one function that starts iostreams. This marks the
version as one that may be missing; a library that is preloaded (LD_PRELOAD) then brings the function. Usage: debian12.py LIBRARY SHIM
"""
import pathlib
import struct
import subprocess
import sys

VERSION = "GLIBCXX_3.4.32"
WEAK = 2

library, shim = map(pathlib.Path, sys.argv[1:])
code = bytearray(library.read_bytes())
offset, = struct.unpack_from("<Q", code, 0x28)
entry, count, names = struct.unpack_from("<HHH", code, 0x3A)
sections = [struct.unpack_from("<IIQQQQIIQQ", code, offset + entry * i) for i in range(count)]
needs = next(section for section in sections if section[1] == 0x6FFFFFFE)  # SHT_GNU_verneed
texts = sections[needs[6]][4]


def text(at):
    return code[texts + at : code.index(0, texts + at)].decode()


found = False
file = needs[4]
while True:
    _, parts, _, first, following = struct.unpack_from("<HHIII", code, file)
    at = file + first
    for _ in range(parts):
        _, flags, _, name, step = struct.unpack_from("<IHHII", code, at)
        if text(name) == VERSION:
            struct.pack_into("<H", code, at + 4, flags | WEAK)
            found = True
        at += step
    if following == 0:
        break
    file += following
if not found:
    sys.exit(f"{library} does not ask for {VERSION}")
# Hard links of package folders must not be written through.
library.unlink()
library.write_bytes(code)
subprocess.run(
    ["g++", "-shared", "-fPIC", "-O1", "-x", "c++", "-", "-o", shim],
    input=b'#include <iostream>\nextern "C" void _ZSt21ios_base_library_initv() { static std::ios_base::Init once; }\n',
    check=True,
)
