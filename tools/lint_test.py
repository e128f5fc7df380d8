#!/usr/bin/env python3
"""Proves that each rule of lint.py fires."""
