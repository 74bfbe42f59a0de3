#!/bin/sh
# Regenerates odtk/protos/*_pb2.py, and the *_pb2.pyi that tell mypy and editors their types, from the .proto files
# beside them, with grpcio-tools 1.62 in a throw-away environment: code of that generator loads under protobuf 3.20 and
# everything later, where that of newer ones refuses the older runtimes that TensorFlow 2.19 needs. Needs Python and
# pip, nothing else.
set -eu
cd "$(dirname "$0")/../.."

python=${PYTHON:-}
if [ -z "$python" ]; then # grpcio-tools 1.62 has wheels for Python up to 3.12
  for candidate in python3.12 python3.11 python3.10 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 8) <= sys.version_info < (3, 13))' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
fi
test -n "$python" || { echo "make protos needs Python 3.10, 3.11 or 3.12; name one with PYTHON=..." >&2; exit 1; }

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check 'grpcio-tools==1.62.*' 'setuptools<81'

rm -f odtk/protos/*_pb2.py odtk/protos/*_pb2.pyi
"$environment/bin/python" -m grpc_tools.protoc -I. --python_out=. --pyi_out=. odtk/protos/*.proto
echo "Wrote $(ls odtk/protos/*_pb2.py | wc -l | tr -d ' ') modules in odtk/protos."
