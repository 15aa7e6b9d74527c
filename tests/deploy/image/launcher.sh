#!/bin/sh
# A stand-in for Google's launcher: it starts the template's file with the launch's parameters, and nothing else.
exec python "$FLEX_TEMPLATE_PYTHON_PY_FILE" "$@"
