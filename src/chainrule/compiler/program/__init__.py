"""The compiler's programs: tensor-level, static shapes, single assignment.  See ``README.md`` beside this file."""
