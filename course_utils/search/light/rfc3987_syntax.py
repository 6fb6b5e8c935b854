"""Stands in for a module that Ray's processes need for nothing, and whose grammar takes each of them seconds to build.

jsonschema, which they import, does without it. On a busy machine Ray would give up waiting for them.
"""

raise ImportError
