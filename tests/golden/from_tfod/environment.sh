#!/bin/sh
# TFOD itself, in .tfod: what makes goldens beyond the reference's, and what `make bench` measures odtk beside.
# TFOD 2.8 asks for packages that cannot be had together today, so the list is written out, and TFOD and its
# tf-models-official come without what they ask for. TensorFlow 2.15 needs Python 3.10 or 3.11.
set -eu
cd "$(dirname "$0")/../../.."

python=${PYTHON:-python3.11}
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' 2>/dev/null || {
  echo "TensorFlow 2.15, which TFOD needs, runs on Python 3.10 or 3.11; name one with PYTHON=..." >&2
  exit 1
}
"$python" -m venv --clear .tfod
install() { .tfod/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }
install tensorflow==2.15.1 tf-keras==2.15.1 protobuf==3.20.3 'numpy<2' tf-slim==1.1.0 tensorflow-hub==0.16.1 \
  pillow lxml matplotlib contextlib2 six pycocotools lvis scipy pandas gin-config pyyaml psutil py-cpuinfo \
  dm-tree attrs wrapt 'setuptools<81' wheel
install --no-deps tf-models-official==2.15.0 tensorflow-model-optimization==0.8.0
install --no-deps --no-build-isolation tf-models-research-object-detection==2.8.0.post1
# Imported by a detector that is not built here.
.tfod/bin/python -c 'import sysconfig; open(sysconfig.get_path("purelib") + "/tensorflow_io.py", "w").close()'
TF_CPP_MIN_LOG_LEVEL=3 .tfod/bin/python -c 'from object_detection.builders import model_builder' 2>/dev/null || {
  echo "TFOD does not load; see what .tfod/bin/python -c 'from object_detection.builders import model_builder' says." >&2
  exit 1
}
touch .tfod/.ready
