"""A data set in memory, a tenth of COCO's training images, which forks iterate over.

Once as a list of objects, and once as pickles in one array: the two that
https://github.com/ppwwyyxx/RAM-multiprocess-dataloader compares. The data are made up.
"""

import ctypes
import mmap
import os
import pickle
from array import array

MIB = 2**20
IMAGES, OBJECTS = 11_828, 7  # a tenth of 118,287 images, with 860,001 objects in all

images = [
    {
        "file": f"{number:012d}.jpg",
        "width": 640,
        "height": 480 + number % 7,
        "id": number,
        "objects": [
            {"box": [number + part * 1.5, 0.5 * part, 99.0 + part, 1.0 * number], "category": part}
            for part in range(OBJECTS)
        ],
    }
    for number in range(IMAGES)
]
_pickles = [pickle.dumps(image, protocol=-1) for image in images]
packed = bytearray().join(_pickles)
ends = array("q")
for _pickle in _pickles:
    ends.append(len(_pickle) + (ends[-1] if ends else 0))
del _pickles, _pickle


def iterate_over_objects():
    for image in images:
        for one in image["objects"]:
            sum(one["box"])


def iterate_over_packed():
    view, start = memoryview(packed), 0
    for end in ends:
        for one in pickle.loads(view[start:end])["objects"]:
            sum(one["box"])
        start = end


def nothing():
    pass


def epoch(function, forks):
    """Have so many forks do what a function of this module does, and wait for them."""
    for _ in range(forks):
        if not os.fork():
            globals()[function]()
            os._exit(0)
    for _ in range(forks):
        os.wait()


class Area:
    """Memory that nothing else lies in."""

    def __init__(self, mib):
        self._map = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def write(self, mib):
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(self._map)), 1, mib * MIB)

    def read(self):
        self._map.find(b"never")


kept = []


def forks_that_stay(made, forks, each):
    """Make so many MiB; have forks read all of it, then write to the first of it, and stay."""
    area = Area(made)
    area.write(made)
    told, tell = os.pipe()
    held, end = os.pipe()
    for _ in range(forks):
        if not os.fork():
            os.close(end)
            area.read()
            if each:
                area.write(each)
            os.write(tell, b"x")
            os.read(held, 1)
            os._exit(0)
    for _ in range(forks):
        os.read(told, 1)
    kept.append((area, end))


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
