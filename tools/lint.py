#!/usr/bin/env python3
"""Checks layers, sizes and habits that the compiler does not (docs/architecture.md)."""
