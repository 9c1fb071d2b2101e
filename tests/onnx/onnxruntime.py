"""Runs ONNX models with onnxruntime, opened from node_modules through its C interface.

The interface is a table of functions whose order never changes, so the places used here hold for every
version; README.md says how the library gets here."""
import array
import ctypes
import pathlib
import time

LIBRARY = (pathlib.Path(__file__).parent
           / "node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1")

API_VERSION = 17
# Places in the table (struct OrtApi).
GET_ERROR_MESSAGE = 2
CREATE_ENV = 3
CREATE_SESSION_FROM_ARRAY = 8
RUN = 9
CREATE_SESSION_OPTIONS = 10
SET_GRAPH_OPTIMIZATION_LEVEL = 23
SET_INTRA_OP_THREADS = 24
CREATE_TENSOR_WITH_DATA = 49
GET_TENSOR_DATA = 51
GET_DIMENSIONS_COUNT = 61
GET_DIMENSIONS = 62
GET_TENSOR_SHAPE = 65
CREATE_CPU_MEMORY_INFO = 69
RELEASE_STATUS = 93
RELEASE_SESSION = 95
RELEASE_VALUE = 96
RELEASE_TENSOR_SHAPE = 99
RELEASE_SESSION_OPTIONS = 100

FLOAT, INT64 = 1, 7
ALL_OPTIMIZATIONS, PLAIN_LAYOUT = 99, 2  # the latter does not convert maps to blocks of channels
POINTER = ctypes.c_void_p


class Missing(Exception):
    """There is no library here."""


class Failed(Exception):
    """The library reported an error."""


def is_there():
    return LIBRARY.exists()


class Runtime:
    def __init__(self):
        if not is_there():
            raise Missing(f"no onnxruntime here; run `npm ci --ignore-scripts` in {LIBRARY.parents[5].parent}")
        library = ctypes.CDLL(str(LIBRARY))
        library.OrtGetApiBase.restype = POINTER
        base = ctypes.cast(library.OrtGetApiBase(), ctypes.POINTER(POINTER))
        self.table = ctypes.cast(ctypes.CFUNCTYPE(POINTER, ctypes.c_uint32)(base[0])(API_VERSION),
                                 ctypes.POINTER(POINTER))
        self.version = ctypes.CFUNCTYPE(ctypes.c_char_p)(base[1])().decode()
        self.env = POINTER()
        self.call(CREATE_ENV, ctypes.c_int(3), b"tests", ctypes.byref(self.env))
        self.memory = POINTER()
        self.call(CREATE_CPU_MEMORY_INFO, ctypes.c_int(1), ctypes.c_int(0), ctypes.byref(self.memory))

    def function(self, place, result=POINTER):
        # Without argument types: every argument is passed as the ctypes object or bytes that it is.
        return ctypes.cast(self.table[place], ctypes.CFUNCTYPE(result))

    def call(self, place, *arguments):
        status = self.function(place)(*arguments)
        if status:
            message = self.function(GET_ERROR_MESSAGE, ctypes.c_char_p)(POINTER(status)).decode()
            self.release(RELEASE_STATUS, POINTER(status))
            raise Failed(message)

    def release(self, place, pointer):
        self.function(place, None)(pointer)


class Session:
    """A model; `inputs`: [(name, shape, array of floats or of 64-bit integers)], used by every run."""

    def __init__(self, runtime, model, inputs, outputs, threads=1, optimizations=ALL_OPTIMIZATIONS):
        self.runtime = runtime
        options = POINTER()
        runtime.call(CREATE_SESSION_OPTIONS, ctypes.byref(options))
        runtime.call(SET_INTRA_OP_THREADS, options, ctypes.c_int(threads))
        runtime.call(SET_GRAPH_OPTIMIZATION_LEVEL, options, ctypes.c_int(optimizations))
        self.session = POINTER()
        try:
            runtime.call(CREATE_SESSION_FROM_ARRAY, runtime.env, model, ctypes.c_size_t(len(model)), options,
                         ctypes.byref(self.session))
        finally:
            runtime.release(RELEASE_SESSION_OPTIONS, options)
        self.kept = inputs  # their memory is used in place
        self.input_names = (ctypes.c_char_p * len(inputs))(*[name.encode() for name, _, _ in inputs])
        self.inputs = (POINTER * len(inputs))(*[self.tensor(shape, data) for _, shape, data in inputs])
        self.output_names = (ctypes.c_char_p * len(outputs))(*[name.encode() for name in outputs])
        self.outputs = (POINTER * len(outputs))()  # made by the first run, then used again

    def tensor(self, shape, data):
        value = POINTER()
        address, count = data.buffer_info()
        dims = (ctypes.c_int64 * len(shape))(*shape)
        self.runtime.call(CREATE_TENSOR_WITH_DATA, self.runtime.memory, POINTER(address),
                          ctypes.c_size_t(count * data.itemsize), dims, ctypes.c_size_t(len(shape)),
                          ctypes.c_int(INT64 if data.typecode == "q" else FLOAT), ctypes.byref(value))
        return value.value

    def run(self):
        self.runtime.call(RUN, self.session, None, self.input_names, self.inputs, ctypes.c_size_t(len(self.inputs)),
                          self.output_names, ctypes.c_size_t(len(self.outputs)), self.outputs)

    def time(self, repetitions):
        """Of each run after one that is not counted: its seconds, and those that this thread had a core."""
        self.run()
        seconds = []
        for _ in range(repetitions):
            cpu, begin = time.thread_time(), time.perf_counter()
            self.run()
            seconds.append((time.perf_counter() - begin, time.thread_time() - cpu))
        return seconds

    def result(self, index=0):
        """(shape, array of floats) of an output after a run."""
        runtime, value = self.runtime, POINTER(self.outputs[index])
        info, rank, data = POINTER(), ctypes.c_size_t(), POINTER()
        runtime.call(GET_TENSOR_SHAPE, value, ctypes.byref(info))
        runtime.call(GET_DIMENSIONS_COUNT, info, ctypes.byref(rank))
        dims = (ctypes.c_int64 * rank.value)()
        runtime.call(GET_DIMENSIONS, info, dims, rank)
        runtime.release(RELEASE_TENSOR_SHAPE, info)
        runtime.call(GET_TENSOR_DATA, value, ctypes.byref(data))
        count = 1
        for size in dims:
            count *= size
        values = array.array("f")
        values.frombytes(ctypes.string_at(data, 4 * count))
        return list(dims), values

    def close(self):
        for value in list(self.inputs) + list(self.outputs):
            if value:
                self.runtime.release(RELEASE_VALUE, POINTER(value))
        self.runtime.release(RELEASE_SESSION, self.session)
