"""llama.cpp's own server, for tests: `python llama_server.py FILE.gguf` prints its address and serves until stdin ends.

A process of its own, for the server has no way to stop but with its process.
"""

import sys

import xllamacpp

SLOTS = 8
CONTEXT = 1024  # tokens a slot


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.model_alias = {"default-135M"}
    params.port = 0  # any free one
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    params.cpuparams.n_threads = 1  # more threads spin for each other when tests share the machine
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
