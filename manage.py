#!/usr/bin/env python
"""Django's command line."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cifake_site.settings")
    # TensorFlow reports at every start that there is no GPU; what matters it raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Kept memory, as in detection.model_worker: in training and evaluation batches are largest.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    # TensorFlow leaves oneDNN off on processors without VNNI, where it trains half as fast again with it.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
